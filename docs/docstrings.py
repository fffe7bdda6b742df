"""Docstrings as the reference pages show them."""

from __future__ import annotations

import re
from typing import Any

import griffe


class PlainDocstrings(griffe.Extension):
    """Turns two habits of Python's docstrings into what Markdown and griffe expect."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each object that was read."""
        if obj.docstring is None:
            return
        # griffe knows doctests below "Examples:" only; below "Example:" they would be quotations.
        text = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)
        # "::" announces code in reStructuredText; Markdown takes the indentation alone.
        obj.docstring.value = re.sub(r"^ *::\n|:(?=:$)", "", text, flags=re.MULTILINE)

"""What mkdocs does to each page once it is HTML."""

from __future__ import annotations

from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Docstrings end a sentence before code with ``::``, as Python's own do; a reader wants a colon."""
    return html.replace("<p>::</p>\n", "").replace("::</p>", ":</p>")

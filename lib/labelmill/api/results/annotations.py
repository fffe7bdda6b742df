"""What became of corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labelmill.api.results.fragment import figures, render

REFUSED = 1_000
"""Refused rows that a result holds."""


@dataclass(frozen=True)
class AnnotationResult:
    """What became of the corrections that a person gave.

    Attributes:
        collection: Of the images.
        rows: Rows read.
        new: Rows that are their person's first word on the image.
        changed: Rows that changed their person's word.
        unchanged: Rows that said what their person had said before.
        outdated: Rows older than their person's word; they are kept in ``annotation_log``.
        taken_back: With ``undo``: rows that were their person's word, and are not any more.
        not_current: With ``undo``: rows that were not.
        refused: Rows that are wrong, and were not entered.
        first_refused: Some of them: ``position``, ``reason``, and their own columns.
        overruled: Rows whose image has another class, because another person gave it later.
        dry_run: Whether nothing was written.

    Example::

        entered = mill.annotate("digits", {"3f9a1c07": "7"}, by="ada", why="a hook, not a one")
        entered.changed, entered.first_refused
    """

    collection: str
    rows: int
    new: int
    changed: int
    unchanged: int
    outdated: int
    taken_back: int
    not_current: int
    refused: int
    first_refused: Sequence[Mapping[str, Any]] = field(repr=False)
    overruled: int
    dry_run: bool

    def _repr_html_(self) -> str:
        names = ("new", "changed", "unchanged", "outdated", "taken_back", "not_current", "refused", "overruled")  # fmt: skip
        counted = [(getattr(self, name), name.replace("_", " ")) for name in names]
        return render(
            "annotations.html.j2",
            result=self,
            figures=figures(*(one for one in counted if one[0]), bad=("refused", "overruled")),
        )

"""What a batch prediction wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labelmill.api.results.fragment import figures, render, shares
from labelmill.spark.report import Report

CLASSES = 50
"""Classes in the table of a page."""


@dataclass(frozen=True)
class LabelResult:
    """Labels of a slice by one model version.

    Attributes:
        model: The model's name.
        version: The version that labelled.
        rows: Images of the slice.
        accepted: Labels at or above the threshold.
        review: Labels below it.
        failed: Images that the model does not accept.
        classes: Class → labels.
        failures: Why images failed: ``images``, ``error``.
        written: Whether the rows were written to ``labels``; False: a dry run.
        seconds: Wall-clock time.
        snapshot_ms: When the images were read, milliseconds since 1970 UTC.

    Example::

        labelled = mill.predict("digits@production", collection="digits", threshold=0.9)
    """

    model: str
    version: int
    rows: int
    accepted: int
    review: int
    failed: int
    classes: Mapping[str, int]
    failures: Sequence[Mapping[str, object]] = field(repr=False)
    written: bool
    seconds: float
    snapshot_ms: int = 0

    @classmethod
    def of(cls, report: Report) -> LabelResult:
        """From what the pipeline reports."""
        return cls(
            **report.results,
            failures=report.tables.get("failures", []),
            seconds=report.seconds,
        )

    def _repr_html_(self) -> str:
        bars, more = shares(self.classes, CLASSES)
        return render(
            "labels.html.j2",
            result=self,
            figures=figures(
                (self.rows, "images"),
                (self.accepted, "accepted"),
                (self.review, "for review"),
                *([(self.failed, "failed")] * bool(self.failed)),
                bad=("failed",),
            ),
            classes=bars,
            more=more,
        )

"""What a freeze made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from labelmill.api.results.training_set import TrainingSet
from labelmill.spark.report import Report


@dataclass(frozen=True)
class FreezeResult:
    """A training set as it was frozen. A notebook shows the training set.

    Attributes:
        digest: SHA-256 (hex) of its rows.
        name: What people call it; rows that were frozen before keep their first name.
        rows: How many.
        kind: ``images`` or ``records``.
        target: What is learned: ``class``, ``classes``, ``mask`` or ``none``.
        classes: In the order of class indices.
        splits: Split → rows.
        location: Folder or URI.
        snapshot_ms: Kudu snapshot that was read, milliseconds since 1970 UTC.
        already_frozen: Whether the same rows had been frozen before.
        notes: Remarks of the run.
        seconds: Wall-clock time.

    Example::

        frozen = mill.freeze(name="digits", collection="digits")
        for images, labels in frozen.training_set.tf(128, seed=1):
            ...
    """

    digest: str
    name: str
    rows: int
    kind: str
    target: str
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    location: str
    snapshot_ms: int
    already_frozen: bool
    notes: tuple[str, ...]
    seconds: float

    @classmethod
    def of(cls, report: Report) -> FreezeResult:
        """From what the pipeline reports."""
        return cls(
            **{**report.results, "classes": tuple(report.results["classes"])},
            notes=tuple(report.notes),
            seconds=report.seconds,
        )

    @cached_property
    def training_set(self) -> TrainingSet:
        """The training set; opened and verified at first use.

        Raises:
            ArtifactError: A shard is missing or is not what was frozen.
        """
        return TrainingSet.open(self.location)

    def _repr_html_(self) -> str | None:
        return self.training_set._repr_html_()

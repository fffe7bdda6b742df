"""What an ingest added, and what it left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labelmill.api.results.failure import raise_failure
from labelmill.api.results.fragment import figures, render, shares
from labelmill.spark.report import Report

REASONS = 20
"""Reasons shown."""


@dataclass(frozen=True)
class SourceRead:
    """What was read from a source.

    Attributes:
        source: Where images came from.
        collection: Their collection.
        files: Image files read, good and bad.
        bytes: Bytes of the good ones.
        quarantined: Files that labelmill cannot decode as images.
        quarantined_by_reason: Reason → files.
        first_quarantined: Some of them: ``uri``, ``reason``, ``message``.
        skipped: Reason why other files were left out → number.
        classes: Number of classes.
        files_by_class: The most frequent classes → good files.
        classes_from: Where classes came from (``folder``, ``name``, ``manifest``, ``idx``, ``message``) →
            good files.
        splits: Split that the source gave, or ``none`` → good files.
        in_several_splits: Images that files of several splits hold; the held-out one keeps them.
        images_per_second: Rate, including Spark's start-up work.
        slowest_part: Where the workers spent most of their time.
        notes: Remarks of the run.
        seconds: Wall-clock time.
    """

    source: str
    collection: str
    files: int
    bytes: int
    quarantined: int
    quarantined_by_reason: Mapping[str, int]
    first_quarantined: Sequence[Mapping[str, str]] = field(repr=False)
    skipped: Mapping[str, int]
    classes: int
    files_by_class: Mapping[str, int]
    classes_from: Mapping[str, int]
    splits: Mapping[str, int]
    in_several_splits: int
    images_per_second: float
    slowest_part: str
    notes: tuple[str, ...]
    seconds: float

    def _figures(self) -> list[tuple[object, str]]:
        return [(self.files, "files")]

    def _repr_html_(self) -> str:
        reasons, more = shares(self.quarantined_by_reason, REASONS)
        skipped, more_skipped = shares(self.skipped, REASONS)
        by_class, _ = shares(self.files_by_class, REASONS)
        splits, _ = shares(self.splits, REASONS)
        return render(
            "ingestion.html.j2",
            result=self,
            figures=figures(*self._figures(), bad=("quarantined", "conflicts")),
            reasons=reasons,
            more=more,
            skipped=skipped,
            more_skipped=more_skipped,
            by_class=by_class,
            more_classes=self.classes - len(by_class),
            splits=splits,
        )


@dataclass(frozen=True)
class IngestResult(SourceRead):
    """What an ingest added to the catalogue.

    Also has what was read: ``source``, ``collection``, ``files``, ``bytes`` (of good files),
    ``quarantined``, ``quarantined_by_reason``, ``first_quarantined``, ``skipped``,
    ``classes``, ``files_by_class``, ``classes_from``, ``splits``, ``in_several_splits``,
    ``images_per_second``, ``slowest_part``, ``notes``, ``seconds``.

    Attributes:
        new: Images that were not in the catalogue before.
        already_there: Images that were in the catalogue already.
        repeated_in_source: Files with the same bytes as another file of the source.
        annotations: Classes written.
        conflicts: Images of the collection whose imports name different classes.

    Example::

        ingested = mill.ingest("photos", collection="pets")
        ingested.files, ingested.quarantined_by_reason
    """

    new: int
    already_there: int
    repeated_in_source: int
    annotations: int
    conflicts: int

    def _figures(self) -> list[tuple[object, str]]:
        return [
            (self.new, "new images"),
            (self.already_there, "already there"),
            (self.annotations, "annotations"),
            (self.quarantined, "quarantined"),
            *(
                [(self.repeated_in_source, "repeated in the source")]
                * bool(self.repeated_in_source)
            ),
            *([(self.conflicts, "conflicts")] * bool(self.conflicts)),
        ]


@dataclass(frozen=True)
class IngestDryRun(SourceRead):
    """What an ingest would add: everything was read and decoded, nothing written.

    Also has what was read: ``source``, ``collection``, ``files``, ``bytes`` (of good files),
    ``quarantined``, ``quarantined_by_reason``, ``first_quarantined``, ``skipped``,
    ``classes``, ``files_by_class``, ``classes_from``, ``splits``, ``in_several_splits``,
    ``images_per_second``, ``slowest_part``, ``notes``, ``seconds``.

    Attributes:
        would_take: Distinct good images.

    Example::

        mill.ingest("photos", collection="pets", dry_run=True).quarantined_by_reason
    """

    would_take: int

    def _figures(self) -> list[tuple[object, str]]:
        return [
            (self.would_take, "images that an ingest would add"),
            (self.quarantined, "quarantined"),
        ]


def ingest_result(report: Report) -> IngestResult | IngestDryRun:
    """From what the pipeline reports.

    Raises:
        LabelmillError: The run failed: all files quarantined, more than ``fail_over``, or a source
            that could not be read to its end.
    """
    raise_failure(report)
    fields = {
        **report.results,
        "first_quarantined": report.tables.get("first_quarantined", []),
        "notes": tuple(report.notes),
        "seconds": report.seconds,
    }
    return IngestDryRun(**fields) if "would_take" in fields else IngestResult(**fields)

"""The closing report of an ingest, and whether it is a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from labelmill.domain.images.class_names import alike_note
from labelmill.errors import AllFailed, LabelmillError, NoData, NotAccepted
from labelmill.pipelines.ingest.batch import SAMPLES
from labelmill.sources.base import ImageSource
from labelmill.sources.file_filter import NOT_LISTED
from labelmill.spark.report import Report

CLASSES = 100_000
"""Classes that the driver counts: with a folder for each image there would be as many as images."""

SHOWN = 20
"""Classes that the report shows, the most frequent first."""


def no_images(source: ImageSource) -> NoData:
    """The error of a source without a single image; says what was found instead."""
    found = ", ".join(f"{n:,} {why}" for why, n in source.skipped.most_common(5)) or "nothing"
    return NoData(
        f"{source.name} holds no image files (found: {found}); expected PNG, PGM, PPM or PAM files, "
        "labelled by their folder: CLASS/1.png or train/CLASS/1.png"
    )


def finish_report(
    report: Report,
    source: ImageSource,
    totals: IngestTotals,
    changes: Mapping[str, object],
    fail_over: float | None,
) -> Report:
    """Fills the report and judges the run.

    Args:
        report: Has the run's source and collection.
        source: What was read.
        totals: Sums over the workers' summaries.
        changes: What this run changed, by name.
        fail_over: Per cent of files above which quarantined files are a failure.
    """
    report.put("files", totals.files)
    report.put("bytes", totals.bytes)
    for name, value in changes.items():
        report.put(name, value)
    report.put("quarantined", totals.quarantined)
    report.put("quarantined_by_reason", dict(totals.reasons.most_common()))
    report.put("skipped", dict(source.skipped.most_common(20)))
    report.put("classes", len(totals.classes))
    report.put("files_by_class", dict(totals.classes.most_common(SHOWN)))
    report.put("classes_from", dict(totals.origins.most_common()))
    report.put("splits", {split or "none": n for split, n in sorted(totals.splits.items())})
    report.put("in_several_splits", totals.in_several_splits)
    report.put("images_per_second", round(totals.files / max(report.seconds, 1e-3), 1))
    report.put("slowest_part", totals.slowest_part())
    report.table("first_quarantined", totals.samples)
    if not totals.annotations:
        report.note(
            "no annotations: with --labels folder a class is the parent folder's name (CLASS/1.png, "
            "train/CLASS/1.png); --labels '{class}.{number}.png' reads it from file names"
        )
    for note in source.notes:
        report.note(note)
    if (alike := alike_note(totals.classes)) is not None:
        report.note(alike)
    if totals.more_classes:
        report.note(
            f"more than {CLASSES:,} classes; the others are not counted here. Is each image in a folder of its "
            "own? --labels none takes no class from folders"
        )
    if totals.in_several_splits:
        report.note(
            f"{totals.in_several_splits:,} images are in several splits of the source (files with the same "
            "bytes); test keeps them before validation, validation before train"
        )
    if totals.guessed_colours:
        report.note(
            f"{totals.guessed_colours:,} PAM files of 3 or 4 channels name no TUPLTYPE and are taken as RGB or "
            "RGB_ALPHA; OpenCV writes such files with blue first: look at one of them"
        )
    unseen = sum(n for why, n in source.skipped.items() if why.startswith(NOT_LISTED))
    if unseen:
        report.note(f"{unseen:,} folders could not be listed; what is in them is not ingested")
    if changes.get("conflicts"):
        report.note(
            "conflicts are images whose imports name different classes; they have no truth until a "
            'person annotates them: labelmill sql "select * from truth_conflicts"'
        )
    _judge(report, totals, fail_over)
    return report


def _judge(report: Report, totals: IngestTotals, fail_over: float | None) -> None:
    share = 100 * totals.quarantined / totals.files
    if totals.cut is not None:
        report.fail(str(totals.cut), totals.cut.exit_code)
    elif totals.quarantined == totals.files:
        failure = f"all {totals.files:,} files are quarantined: {dict(totals.reasons)}"
        report.fail(failure, AllFailed.exit_code)
    elif fail_over is not None and share > fail_over:
        report.fail(
            f"{share:.2f} % of the files are quarantined, more than --fail-over {fail_over:g}; "
            "the good ones are ingested",
            NotAccepted.exit_code,
        )


_PARTS = {
    "read": "reading files",
    "decode": "hashing and decoding",
    "write": "writing to Kudu",
}


class IngestTotals:
    """Sums over summaries of `labelmill.pipelines.ingest.worker`.

    Attributes:
        files: Files so far, good and bad.
        bytes: Bytes of the good ones.
        annotations: Annotations that were sent.
        reasons: Bad files by reason.
        samples: Some bad files: ``uri``, ``reason``, ``message``.
        classes: Good files by class, of the first `CLASSES` classes.
        more_classes: There are more than `CLASSES`; the others are not counted.
        splits: Good files by split; empty: none.
        origins: Good files with a class, by where it came from: ``folder``, ``name``, ``manifest``,
            ``idx``, ``message``.
        in_several_splits: Images that files of several splits hold.
        guessed_colours: PAM files of 3 or 4 channels without TUPLTYPE.
        cut: Why the source could not be read to its end.
    """

    def __init__(self) -> None:
        self.files = self.bytes = self.annotations = self.guessed_colours = 0
        self.reasons: Counter[str] = Counter()
        self.samples: list[dict[str, str]] = []
        self.classes: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.origins: Counter[str] = Counter()
        self.cut: LabelmillError | None = None
        self.in_several_splits = 0
        self.more_classes = False
        self._seconds: Counter[str] = Counter()

    @property
    def quarantined(self) -> int:
        """Bad files."""
        return sum(self.reasons.values())

    @property
    def good(self) -> int:
        """Good files."""
        return self.files - self.quarantined

    @property
    def seconds_per_file(self) -> float | None:
        """Mean seconds that a worker takes per file; None before the first file."""
        return sum(self._seconds.values()) / self.files if self.files else None

    def add(self, summary: Mapping[str, Any]) -> None:
        """Adds one row of ``SUMMARY``."""
        self.files += summary["files"]
        self.bytes += summary["bytes"]
        self.annotations += summary["annotations"]
        self.guessed_colours += summary["guessed_colours"]
        self.reasons.update(dict(summary["reasons"]))
        self._count_classes(dict(summary["classes"]))
        self.splits.update(dict(summary["splits"]))
        self.origins.update(dict(summary["origins"]))
        for sample in summary["samples"][: SAMPLES - len(self.samples)]:
            self.samples.append(dict(zip(("uri", "reason", "message"), sample, strict=True)))
        for part in _PARTS:
            self._seconds[part] += summary[part]

    def _count_classes(self, found: Mapping[str, int]) -> None:
        room = CLASSES - len(self.classes)
        for name, files in found.items():
            if name not in self.classes:
                if room <= 0:
                    self.more_classes = True
                    continue
                room -= 1
            self.classes[name] += files

    def slowest_part(self) -> str:
        """The kind of work that took most of the workers' time, in words."""
        part, seconds = self._seconds.most_common(1)[0]
        share = 100 * seconds / max(sum(self._seconds.values()), 1e-9)
        return f"{_PARTS[part]}: {share:.0f} % of {sum(self._seconds.values()):.1f} s of workers"

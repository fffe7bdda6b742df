"""What an ingest says at its end, and whether that is a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from labelmill.errors import AllFailed, LabelmillError, NoData, NotAccepted
from labelmill.pipelines.ingest.worker import SAMPLES
from labelmill.sources.base import Heap
from labelmill.sources.file_filter import NOT_LISTED
from labelmill.spark.report import Report


def no_images(heap: Heap) -> NoData:
    """The error of a source without a single image; says what lies there instead."""
    found = ", ".join(f"{n:,} {why}" for why, n in heap.skipped.most_common(5)) or "nothing"
    return NoData(
        f"{heap.name} holds no image files (found: {found}); expected PNG, PGM, PPM or PAM files, "
        "labelled by their folder: CLASS/1.png or train/CLASS/1.png"
    )


def closed(
    report: Report,
    heap: Heap,
    counts: Counts,
    outcome: Mapping[str, object],
    fail_over: float | None,
) -> Report:
    """Fills the report and judges the run.

    Args:
        report: With what is known of the run.
        heap: What was read.
        counts: What the workers told.
        outcome: What this run changed, by name.
        fail_over: Per cent of files above which quarantined files are a failure.
    """
    report.put("files", counts.files)
    report.put("bytes", counts.bytes)
    for name, value in outcome.items():
        report.put(name, value)
    report.put("quarantined", counts.quarantined)
    report.put("quarantined_by_reason", dict(counts.reasons.most_common()))
    report.put("skipped", dict(heap.skipped.most_common(20)))
    report.put("images_per_second", round(counts.files / max(report.seconds, 1e-3), 1))
    report.put("slowest_part", counts.slowest_part())
    report.table("first_quarantined", counts.samples)
    if not counts.annotations:
        report.note(
            "no annotations: with --labels folder a class is the parent folder's name (CLASS/1.png, "
            "train/CLASS/1.png); --labels '{class}.{number}.png' reads it from file names"
        )
    unseen = sum(n for why, n in heap.skipped.items() if why.startswith(NOT_LISTED))
    if unseen:
        report.note(f"{unseen:,} folders could not be listed; what is in them is not ingested")
    if outcome.get("conflicts"):
        report.note(
            "conflicts are images whose imports name different classes; they have no truth until a "
            'person annotates them: labelmill sql "select * from truth_conflicts"'
        )
    _judge(report, counts, fail_over)
    return report


def _judge(report: Report, counts: Counts, fail_over: float | None) -> None:
    share = 100 * counts.quarantined / counts.files
    if counts.cut is not None:
        report.fail(str(counts.cut), counts.cut.exit_code)
    elif counts.quarantined == counts.files:
        failure = f"all {counts.files:,} files are quarantined: {dict(counts.reasons)}"
        report.fail(failure, AllFailed.exit_code)
    elif fail_over is not None and share > fail_over:
        report.fail(
            f"{share:.2f} % of the files are quarantined, more than --fail-over {fail_over:g}; "
            "the good ones are taken",
            NotAccepted.exit_code,
        )


_PARTS = {
    "read": "reading files",
    "decode": "hashing and decoding",
    "write": "writing to Kudu",
}


class Counts:
    """Sums over summaries of `labelmill.pipelines.ingest.worker`.

    Attributes:
        files: Files taken so far, good and bad.
        bytes: Bytes of the good ones.
        annotations: Annotations that were sent.
        reasons: Bad files by reason.
        samples: Some bad files: ``uri``, ``reason``, ``message``.
        cut: Why the source could not be read to its end.
    """

    def __init__(self) -> None:
        self.files = self.bytes = self.annotations = 0
        self.reasons: Counter[str] = Counter()
        self.samples: list[dict[str, str]] = []
        self.cut: LabelmillError | None = None
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
    def seconds_a_file(self) -> float | None:
        """Mean seconds of a worker for a file; None before the first."""
        return sum(self._seconds.values()) / self.files if self.files else None

    def add(self, summary: Mapping[str, Any]) -> None:
        """Adds one row of ``SUMMARY``."""
        self.files += summary["files"]
        self.bytes += summary["bytes"]
        self.annotations += summary["annotations"]
        self.reasons.update(dict(summary["reasons"]))
        for sample in summary["samples"][: SAMPLES - len(self.samples)]:
            self.samples.append(dict(zip(("uri", "reason", "message"), sample, strict=True)))
        for part in _PARTS:
            self._seconds[part] += summary[part]

    def slowest_part(self) -> str:
        """Where the workers' time went most, in words."""
        part, seconds = self._seconds.most_common(1)[0]
        share = 100 * seconds / max(sum(self._seconds.values()), 1e-9)
        return f"{_PARTS[part]}: {share:.0f} % of {sum(self._seconds.values()):.1f} s of workers"

"""What an ingest says at its end, and whether that is a failure."""

from __future__ import annotations

from collections.abc import Mapping

from labelmill.errors import AllFailed, NoData, NotAccepted
from labelmill.pipelines.ingest_counts import Counts
from labelmill.pipelines.report import Report
from labelmill.pipelines.sources.folder import NOT_LISTED
from labelmill.pipelines.sources.heap import Heap


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

"""The closing report of an export, and whether it is a failure."""

from __future__ import annotations

from pyspark.sql import DataFrame

from labelmill.errors import LabelmillError, MissingRow
from labelmill.pipelines.export.file_names import MANIFEST
from labelmill.pipelines.export.output_folder import Claim, OutputFolder
from labelmill.pipelines.export.worker import WHOLE
from labelmill.spark.report import Report

States = dict[str, tuple[int, int]]
"""State of `labelmill.pipelines.export.worker.EXPORTED` → rows, and bytes of files."""


def fill_report(
    report: Report, folder: OutputFolder, claim: Claim, fresh: bool, states: States
) -> None:
    """Fills the report of an export whose files are written.

    Args:
        report: The report.
        folder: Where the files are.
        claim: The slice.
        fresh: Whether the folder was empty before.
        states: What became of the rows.
    """
    count = {name: rows for name, (rows, _) in states.items()}
    files = [states[name] for name in WHOLE[:3] if name in states]
    number = sum(rows for rows, _ in files)
    report.put("out", folder.out)
    report.put("snapshot_ms", claim.snapshot_ms)
    report.put("rows", sum(count.values()))
    report.put("files", number)
    report.put("written", count.get("written", 0))
    report.put("already_there", count.get("there", 0))
    report.put("replaced", count.get("replaced", 0))
    report.put("missing", count.get("missing", 0))
    report.put("bytes", sum(size for _, size in files))
    report.put("files_per_second", round(number / max(report.seconds, 1e-3), 1))
    if not fresh:
        report.note(
            f"{folder.out} was begun earlier and was continued at its snapshot; for what came to the "
            "catalogue since, export to another folder"
        )


def write_failure(exported: DataFrame, folder: OutputFolder, states: States) -> LabelmillError:
    """The error of an export that could not write a file."""
    found = exported.where("state = 'failed'").select("uri", "message").limit(1).collect()
    # Repeated after the loss of an executor, the row may have succeeded the second time.
    why = found[0] if found else {"uri": "a file", "message": "and then was"}
    whole = sum(states.get(name, (0, 0))[0] for name in WHOLE)
    left = sum(states.get(name, (0, 0))[0] for name in ("failed", "not_tried"))
    return LabelmillError(
        f"{why['uri']} was not written: {why['message']}. {whole:,} rows are exported, {left:,} are "
        f"not, and {folder.out} has no {MANIFEST}; make room and run it again to continue"
    )


def judge(report: Report, states: States) -> None:
    """Fails the report when pixels were missing."""
    missing = states.get("missing", (0, 0))[0]
    if missing:
        report.fail(
            f"{missing:,} of {report.results['rows']:,} rows have no pixels and were not exported "
            f"(see the report's table missing); the others are, with {MANIFEST}. Ingest them again "
            "and export to another folder",
            MissingRow.exit_code,
        )

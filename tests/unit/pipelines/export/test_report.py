"""The closing report of an export, and when it is a failure."""

from __future__ import annotations

from pathlib import Path

from labelmill.errors import MissingRow
from labelmill.pipelines.export.output_folder import Claim, OutputFolder
from labelmill.pipelines.export.report import States, fill_report, judge
from labelmill.spark.report import Report

CLAIM = Claim("select 1", 17, "png", "id")
STATES: States = {
    "written": (5, 500), "there": (3, 300), "replaced": (1, 100), "shared": (2, 200), "missing": (4, 0),
}  # fmt: skip


def filled(folder: Path, states: States, fresh: bool = True) -> Report:
    report = Report("export_images")
    fill_report(report, OutputFolder(str(folder)), CLAIM, fresh, states)
    judge(report, states)
    return report


def test_a_file_that_rows_share_counts_once(tmp_path: Path) -> None:
    results = filled(tmp_path, STATES).results
    assert (results["rows"], results["files"], results["bytes"]) == (15, 9, 900)
    assert (results["written"], results["already_there"], results["replaced"]) == (5, 3, 1)
    assert (results["out"], results["snapshot_ms"]) == (str(tmp_path), 17)


def test_missing_pixels_are_a_failure(tmp_path: Path) -> None:
    report = filled(tmp_path, STATES)
    assert report.exit_code == MissingRow.exit_code
    assert str(report.error).startswith("4 of 15 rows have no pixels")
    complete = filled(tmp_path, {"written": (5, 500)})
    assert (complete.exit_code, complete.error, complete.results["missing"]) == (0, None, 0)


def test_a_continued_export_says_at_which_snapshot(tmp_path: Path) -> None:
    assert filled(tmp_path, STATES).notes == []
    (note,) = filled(tmp_path, STATES, fresh=False).notes
    assert "continued at its snapshot" in note

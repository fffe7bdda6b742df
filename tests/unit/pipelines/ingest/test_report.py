"""Totals of an ingest, its closing report, and when that is a failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from labelmill.domain.images.folders import ALONE
from labelmill.errors import AllFailed, InputError, NotAccepted
from labelmill.pipelines.ingest.batch import SAMPLES
from labelmill.pipelines.ingest.report import IngestTotals, finish_report, no_images
from labelmill.sources.base import Wave
from labelmill.sources.file_filter import NOT_LISTED
from labelmill.spark.report import Report


class Source:
    """A source that was read to its end."""

    name, root = "images/", "/images"
    total: int | None = None
    layout = ALONE

    def __init__(self, **skipped: int) -> None:
        self.skipped = Counter(skipped)
        self.notes: list[str] = []

    def waves(self) -> Iterator[Wave]:
        return iter(())


def summary(files: int = 10, bad: int = 0, **changed: Any) -> dict[str, Any]:
    """What a worker returns for one batch."""
    return {
        "files": files,
        "bytes": 100 * (files - bad),
        "annotations": files - bad,
        "reasons": [("not_png", bad)] if bad else [],
        "classes": [("cat", files - bad)] if files > bad else [],
        "splits": [("train", files - bad)],
        "origins": [("folder", files - bad)],
        "guessed_colours": 0,
        "samples": [[f"{n}.png", "not_png", "no PNG"] for n in range(bad)],
        "read": 1.0,
        "decode": 2.0,
        "write": 1.0,
        **changed,
    }


def totals_of(*summaries: dict[str, Any]) -> IngestTotals:
    totals = IngestTotals()
    for one in summaries:
        totals.add(one)
    return totals


def finish(
    totals: IngestTotals,
    source: Source | None = None,
    fail_over: float | None = None,
    **changes: int,
) -> Report:
    report = Report("ingest_images")
    return finish_report(report, source or Source(), totals, changes, fail_over)


def test_totals_are_sums_over_summaries() -> None:
    assert IngestTotals().seconds_per_file is None
    totals = totals_of(summary(), summary(6, 2, reasons=[("not_png", 1), ("truncated", 1)]))
    assert (totals.files, totals.good, totals.quarantined) == (16, 14, 2)
    assert (totals.bytes, totals.annotations) == (1_400, 14)
    assert totals.reasons == {"not_png": 1, "truncated": 1}
    assert totals.samples == [
        {"uri": f"{n}.png", "reason": "not_png", "message": "no PNG"} for n in range(2)
    ]
    assert totals.seconds_per_file == pytest.approx(8 / 16)
    assert totals.slowest_part() == "hashing and decoding: 50 % of 8.0 s of workers"


def test_samples_are_the_first_few_bad_files() -> None:
    totals = totals_of(*(summary(SAMPLES, SAMPLES - 3) for _ in range(3)))
    assert [one["uri"] for one in totals.samples] == [f"{n}.png" for n in range(7)] + [
        f"{n}.png" for n in range(3)
    ]


def test_the_report_has_what_was_counted() -> None:
    report = finish(totals_of(summary(10, 1)), Source(hidden=2), new=8, conflicts=0)
    assert report.error is None
    assert report.notes == []
    results = report.results
    assert (results["files"], results["bytes"], results["new"]) == (10, 900, 8)
    assert (results["quarantined"], results["quarantined_by_reason"]) == (1, {"not_png": 1})
    assert results["skipped"] == {"hidden": 2}
    assert results["images_per_second"] > 0
    assert report.tables["first_quarantined"] == [
        {"uri": "0.png", "reason": "not_png", "message": "no PNG"}
    ]


def test_notes_say_what_to_look_at() -> None:
    source = Source()
    source.skipped[f"{NOT_LISTED} (Permission denied)"] = 3
    report = finish(totals_of(summary(annotations=0)), source, conflicts=2)
    without_labels, unlisted, conflicts = report.notes
    assert "--labels folder" in without_labels
    assert unlisted.startswith("3 folders could not be listed")
    assert "truth_conflicts" in conflicts
    assert report.error is None


@pytest.mark.parametrize(
    ("bad", "fail_over", "exit_code"),
    [
        (0, 0.0, 0),
        (2, None, 0),
        (2, 20.0, 0),
        (2, 19.9, NotAccepted.exit_code),
        (10, None, AllFailed.exit_code),
        (10, 100.0, AllFailed.exit_code),
    ],
)
def test_too_many_bad_files_are_a_failure(
    bad: int, fail_over: float | None, exit_code: int
) -> None:
    report = finish(totals_of(summary(10, bad)), fail_over=fail_over)
    assert report.exit_code == exit_code
    assert (report.error is None) == (exit_code == 0)


def test_a_source_that_breaks_off_is_a_failure_that_says_what_was_ingested() -> None:
    totals = totals_of(summary(10, 10))
    totals.cut = InputError("x.tar is damaged after 10 images")
    report = finish(totals)
    assert (report.error, report.exit_code) == (str(totals.cut), InputError.exit_code)
    assert report.results["files"] == 10


def test_no_images_says_what_was_found() -> None:
    assert "images/ holds no image files (found: nothing)" in str(no_images(Source()))
    found = Source(hidden=1)
    found.skipped["not named like an image: .txt"] = 1_200
    message = str(no_images(found))
    assert "(found: 1,200 not named like an image: .txt, 1 hidden)" in message


def test_the_driver_counts_a_bounded_number_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelmill.pipelines.ingest.report.CLASSES", 3)
    many = [(f"c{n}", 1) for n in range(5)]
    totals = totals_of(summary(classes=many), summary(classes=many))
    assert totals.classes == {"c0": 2, "c1": 2, "c2": 2}
    assert any("more than 3 classes" in note for note in finish(totals).notes)

"""From counts to measures and a verdict, and into the report."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from labelmill.errors import NoData
from labelmill.pipelines.evaluate.candidates import Candidate
from labelmill.pipelines.evaluate.report import evaluation_row, fill_report
from labelmill.pipelines.evaluate.verdicts import judge
from labelmill.spark.report import Report

COUNTS: Counter[tuple[str, str | None]] = Counter(
    {("a", "a"): 8, ("a", "b"): 1, ("b", "b"): 10, ("b", "a"): 1}
)


def test_counts_become_measures_and_a_verdict() -> None:
    candidate, found, verdict = judge(Candidate(3), COUNTS, ("a", "b"), 0.1)
    assert candidate.version == 3
    assert (found.rows, found.accuracy) == (20, 0.9)
    assert found.confusion.tolist() == [[8, 1], [1, 10]]
    assert verdict.accepted is True
    assert judge(Candidate(3), COUNTS, ("a", "b"), 0.09)[2].accepted is False
    assert judge(Candidate(3), COUNTS, ("a", "b"), None)[2].accepted is None


def test_an_image_that_could_not_be_prepared_refuses_the_version() -> None:
    counts = COUNTS + Counter({("a", None): 2})
    _, found, verdict = judge(Candidate(3), counts, ("a", "b"), 1.0)
    assert found.rows == 20
    assert verdict.accepted is False
    assert "2 images could not be prepared" in verdict.reasons[-1]


def test_no_rows() -> None:
    with pytest.raises(NoData, match="the slice has no rows"):
        judge(Candidate(3), Counter(), ("a", "b"), None)


def test_a_row_and_the_report_say_what_was_measured() -> None:
    judged = [judge(Candidate(n, 0.5 + n / 10), COUNTS, ("a", "b"), 0.1) for n in (1, 2)]
    row = evaluation_row("m", "d1", "select 1", 0.1, *judged[1])
    assert (row["model"], row["version"], row["slice_digest"], row["slice"]) == (
        "m", 2, "d1", "select 1",
    )  # fmt: skip
    assert (row["rows"], row["accuracy"], row["max_error"], row["accepted"]) == (20, 0.9, 0.1, True)
    assert json.loads(str(row["confusion"])) == {"classes": ["a", "b"], "matrix": [[8, 1], [1, 10]]}
    assert [score["class"] for score in json.loads(str(row["per_class"]))] == ["a", "b"]

    report = Report("evaluate_models")
    fill_report(report, "m", "select 1", judged)
    assert report.results == {"model": "m", "slice": "select 1", "rows": 20}
    shown = [(r["version"], r["validation_metric"]) for r in report.tables["evaluations"]]
    assert shown == [(1, 0.6), (2, 0.7)]
    assert report.notes[0].startswith("version 1: error 0.1000")

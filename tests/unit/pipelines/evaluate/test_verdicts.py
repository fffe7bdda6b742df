"""From counts to measures and a verdict, into rows and into the report."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from labelmill.domain.models.comparison import Comparison
from labelmill.domain.models.metrics import evaluate_counts
from labelmill.errors import NoData, NotAccepted
from labelmill.pipelines.evaluate import stored
from labelmill.pipelines.evaluate.candidates import Candidate
from labelmill.pipelines.evaluate.report import (
    NOTED,
    fill_report,
    report_promotion,
    report_rejection,
)
from labelmill.pipelines.evaluate.verdicts import AcceptanceRule, Judged, judge
from labelmill.spark.report import Report
from labelmill.store.schema.tables import EVALUATIONS
from tests.helpers.memory_client import memory_client

COUNTS: dict[tuple[str, str | None], int] = {
    ("a", "a"): 8, ("a", "b"): 1, ("b", "b"): 10, ("b", "a"): 1,
}  # fmt: skip
MEASURED = evaluate_counts(COUNTS, ("a", "b"))
RULE = AcceptanceRule(0.1, "no-worse")
COMPARED = Comparison(1, both_right=17, only_right=1, only_serving_right=2, both_wrong=0)


def judged_by(rule: AcceptanceRule, version: int = 3, compared: Comparison | None = None) -> Judged:
    return judge(Candidate(version, 0.5 + version / 100), MEASURED, compared, rule)


def test_measures_become_a_verdict() -> None:
    candidate, found, verdict = judged_by(RULE)
    assert (candidate.version, found) == (3, MEASURED)
    assert verdict.accepted is True
    assert judged_by(replace(RULE, max_error=0.09))[2].accepted is False
    assert judged_by(replace(RULE, max_error=None))[2].accepted is None


def test_the_serving_version_is_compared_with_nothing() -> None:
    rule = replace(RULE, alias="production", serving=1)
    assert judged_by(rule, 3, COMPARED)[2].accepted is False
    verdict = judged_by(rule, 1)[2]
    assert verdict.accepted is True
    assert verdict.reasons[-1] == "it serves as production now"


def test_a_class_without_training_images_is_told() -> None:
    reasons = judge(Candidate(3), MEASURED, None, RULE, {"a"})[2].reasons
    assert "11 of 20 images have classes that it was not trained on (b)" in reasons[-1]


def test_an_image_that_could_not_be_prepared_refuses_the_version() -> None:
    counts = {**COUNTS, ("a", None): 2}
    _, found, verdict = judge(Candidate(3), evaluate_counts(counts, ("a", "b")), None, RULE)
    assert found.rows == 20
    assert verdict.accepted is False
    assert "2 images could not be prepared" in verdict.reasons[-1]


def test_no_rows() -> None:
    with pytest.raises(NoData, match="the slice has no rows"):
        judge(Candidate(3), evaluate_counts({}, ("a", "b")), None, RULE)


def test_what_was_measured_is_read_again() -> None:
    client = memory_client()
    stored.write_evaluation(client, "m", "d1", "select 1", 0.1, judged_by(RULE))
    (row,) = client.scan(EVALUATIONS)
    assert (row["model"], row["version"], row["slice_digest"], row["slice"]) == (
        "m", 3, "d1", "select 1",
    )  # fmt: skip
    assert (row["rows"], row["accuracy"], row["max_error"], row["accepted"]) == (20, 0.9, 0.1, True)
    assert json.loads(str(row["confusion"])) == {
        "classes": ["a", "b"], "known": 2, "unprepared": 0,
        "cells": [[0, 0, 8], [0, 1, 1], [1, 0, 1], [1, 1, 10]],
    }  # fmt: skip
    assert [score["class"] for score in json.loads(str(row["per_class"]))] == ["a", "b"]
    assert stored.read_evaluations(client, "m", "d1", range(9))[3].to_dict() == MEASURED.to_dict()
    assert stored.read_evaluations(client, "m", "d2", range(9)) == {}
    assert stored.read_evaluations(client, "m", "d1", [1, 2]) == {}
    old = json.dumps({"classes": ["a", "b"], "matrix": [[1, 0], [0, 1]]})
    client.write(EVALUATIONS, [{**row, "version": 4, "confusion": old}])
    assert set(stored.read_evaluations(client, "m", "d1", range(9))) == {3}, (
        "it does not say what failed"
    )
    damaged = evaluate_counts({**COUNTS, ("a", None): 1}, ("a", "b"))
    stored.write_evaluation(client, "m", "d1", "s", 0.1, judge(Candidate(5), damaged, None, RULE))
    assert set(stored.read_evaluations(client, "m", "d1", range(9))) == {3}, (
        "the image may have been ingested again"
    )

    stored.write_comparison(client, "m", "d1", 3, COMPARED)
    assert stored.read_comparisons(client, "m", "d1", 1) == {3: COMPARED}
    assert stored.read_comparisons(client, "m", "d1", 2) == {}


def test_ten_thousand_classes_are_stored_and_read_again() -> None:
    names = [f"клас {n}" for n in range(10_000)]
    found = evaluate_counts(dict.fromkeys(itertools.pairwise(names), 1), names)
    client = memory_client()
    sql = f"select * from images where image_id in ({', '.join(map(repr, names))})"
    stored.write_evaluation(client, "m", "d", sql, 0.1, judge(Candidate(1), found, None, RULE))
    assert stored.read_evaluations(client, "m", "d", range(9))[1].to_dict() == found.to_dict()
    (row,) = client.scan(EVALUATIONS)
    assert max(len(str(value).encode()) for value in row.values()) < 65_536


def test_the_report_says_what_was_measured_and_compared() -> None:
    report = Report("evaluate_models")
    fill_report(report, "m", "select 1", [judged_by(RULE, n) for n in (1, 2)], {}, RULE)
    assert report.results == {"model": "m", "slice": "select 1", "rows": 20}
    shown = [(r["version"], r["validation_metric"]) for r in report.tables["evaluations"]]
    assert shown == [(1, 0.51), (2, 0.52)]
    assert report.notes[0].startswith("version 1: error 0.1000")

    report, rule = Report("evaluate_models"), replace(RULE, alias="production", serving=1)
    judged = [judged_by(rule, 1), judged_by(rule, 2, COMPARED)]
    fill_report(report, "m", "select 1", judged, {2: COMPARED}, rule)
    assert report.results["compared_with"] == {"alias": "production", "version": 1}
    assert [r["fewer_wrong_than_serving"] for r in report.tables["evaluations"]] == [None, -1]
    assert "does not meet the rule 'no-worse'" in report.notes[1]


def test_a_report_of_many_versions_notes_the_best() -> None:
    report = Report("evaluate_models")
    fill_report(report, "m", "s", [judged_by(RULE, n) for n in range(1, 51)], {}, RULE)
    assert len(report.notes) == NOTED + 1
    assert report.notes[0].startswith("version 31: ")
    assert "other 30 versions" in report.notes[-1]


def test_the_report_says_where_the_alias_is() -> None:
    rule = replace(RULE, alias="production", serving=1)
    report = Report("evaluate_models")
    report_rejection(report, "m", rule)
    assert report.exit_code == NotAccepted.exit_code
    assert str(report.error) == (
        "no version of 'm' meets the acceptable error 0.1 and the rule 'no-worse'; alias "
        "'production' stays where it is"
    )
    report_promotion(report, Candidate(1), rule)
    assert "promoted" not in report.results
    assert "production stays at version 1" in report.notes[-1]
    report_promotion(report, Candidate(2, 0.9), rule)
    assert report.results["promoted"] == {"alias": "production", "version": 2}
    assert "ranks first by its sweep's metric" in report.notes[-1]

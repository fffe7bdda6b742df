"""The closing report of a profile."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.domain.profiles.deviations import Deviation
from labelmill.domain.profiles.near_groups import NearGroups
from labelmill.domain.profiles.profile import Duplicates, Profile
from labelmill.domain.profiles.schema import infer
from labelmill.pipelines.profile.duplicates import FoundDuplicates
from labelmill.pipelines.profile.plan import ProfilePlan, ProfileResult
from labelmill.pipelines.profile.report import fill_report
from labelmill.spark.report import Report
from tests.unit.domain.profiles.samples import profile


def result_of(found: Profile, **changed: Any) -> ProfileResult:
    groups = NearGroups(0, 0, 0, {}, [], [])
    fields: dict[str, Any] = {
        "profile": found,
        "schema": infer(found),
        "snapshot_ms": 17,
        "against": None,
        "deviations": [],
        "class_means": {},
        "examples": {},
        "duplicates": FoundDuplicates(found.exact, found.near, [], groups, {}, 0, 0),
        "outliers": [],
        "blanks": [],
        "pictures": {},
    }
    return ProfileResult(**fields | changed)


def filled(found: Profile, plan: ProfilePlan, accepted: bool | None, **changed: Any) -> Report:
    report = Report("profile_collection")
    fill_report(report, result_of(found, **changed), plan, accepted)
    return report


def test_an_ordinary_profile_has_results_and_no_notes() -> None:
    report = filled(profile(), ProfilePlan("digits"), None)
    assert report.notes == []
    results = report.results
    assert (results["collection"], results["images"], results["snapshot_ms"]) == (
        "digits",
        1000,
        17,
    )
    assert results["digest"] == profile().digest
    assert (results["width"], results["classes"]) == ("28 to 28", {"a": 600, "b": 400})
    assert results["accepted"] is None
    assert report.tables == {"deviations": []}


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"classes": {"cat": 3, "cat ": 1}}, "'cat', 'cat '"),
        ({"exact": Duplicates(1, 3, 0, {"test in train": 2})}, "leak: 2 images, same pixels: test in train"),
        ({"near": Duplicates(1, 3, 0, {"test in train": 2})}, "leak: 2 images, same look: test in train"),
        ({"exact": Duplicates(4, 9, 3)}, "3 groups with the same pixels have different classes"),
        ({"other_classes": 1_234}, "1,234 rare ones are not listed"),
        ({"near": Duplicates(complete=False)}, "near duplicates are a lower bound"),
    ],
)  # fmt: skip
def test_what_deserves_a_look_is_a_note(changed: dict[str, Any], note: str) -> None:
    report = filled(profile(**changed), ProfilePlan("digits"), None)
    assert any(note in sentence for sentence in report.notes)


def test_a_comparison_shows_deviations_and_what_becomes_of_the_profile() -> None:
    deviations = [Deviation("error", "classes", "new classes: received 'z'")]
    plan = ProfilePlan("digits", against="latest")
    report = filled(profile(), plan, False, against="digits@12ab", deviations=deviations)
    assert report.tables["deviations"] == [
        {"severity": "error", "sentence": "new classes: received 'z'"}
    ]
    assert report.results["accepted"] is False
    (note,) = report.notes
    assert note.startswith("not accepted: ")


def test_without_an_accepted_profile_there_is_nothing_to_compare_with() -> None:
    (note,) = filled(profile(), ProfilePlan("digits", against="latest"), None).notes
    assert note.startswith("'digits' has no accepted profile yet")

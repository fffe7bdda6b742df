"""A schema fits the profile it comes from, and says what in an edited file is invalid."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from labelmill.domain.profiles.deviations import deviations
from labelmill.domain.profiles.profile import Duplicates
from labelmill.domain.profiles.schema import infer, read_schema
from labelmill.errors import InputError, UnknownName
from tests.unit.domain.profiles.samples import profile


def test_a_profile_fits_its_own_schema() -> None:
    odd = profile(
        without_truth=333,
        conflicts=77,
        blank=1,
        quarantined={"not_png": 3},
        exact=Duplicates(groups=9, images=99),
        near=Duplicates(groups=3, images=7, complete=False),
        classes={"a": 667},
    )
    for one in (profile(), odd):
        assert deviations(one, infer(one)) == []


def test_a_leak_is_never_what_is_expected() -> None:
    leaky = profile(exact=Duplicates(2, 4, 0, {"test in train": 2}))
    assert infer(leaky).at_most["leaks"] == 0
    (found,) = deviations(leaky, infer(leaky))
    assert found.severity == "error"


def test_goes_through_json() -> None:
    schema = infer(profile())
    document = json.loads(json.dumps(schema.to_json()))
    assert read_schema(document, "x") == schema
    assert read_schema({"profile": {}, "schema": document}, "x") == schema


def test_classes_that_cannot_be_listed_are_not_held() -> None:
    assert infer(profile(other_classes=5)).classes is None
    assert infer(profile(classes={}, without_truth=1000)).classes is None


def test_sizes_that_vary_get_room_and_others_none() -> None:
    varied = replace(profile().width, least=100, most=200)
    schema = infer(profile(width=varied))
    assert schema.width == [80, 250]
    assert schema.height == [28, 28]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "other"}, "is not a schema"),
        ({"format": 9}, "format 9; expected 1"),
        ({"width": [30, 20]}, r"\[least, most\], received \[30, 20\]"),
        ({"brightness": {"median": 1.5, "shift": 0.1}}, "brightness.median to be 0 to 1"),
        ({"brightness": {"shift": 0.1}}, "'median' is missing"),
        ({"classes": {"a": "often"}}, "classes.a to be 0 to 1, received 'often'"),
        ({"class_shift": True}, "class_shift to be 0 to 1"),
        ({"dtypes": None}, "invalid schema"),
    ],
)
def test_invalid_values_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_schema(infer(profile()).to_json() | change, "mine.json")


def test_a_slip_in_a_share_is_suggested() -> None:
    document = infer(profile()).to_json()
    document["at_most"] = {"near_duplicate": 0.1}
    with pytest.raises(UnknownName, match="Did you mean 'near_duplicates'"):
        read_schema(document, "mine.json")


@pytest.mark.parametrize("document", [[], None, "text", {}])
def test_refuses_what_is_not_a_schema(document: Any) -> None:
    with pytest.raises(InputError, match="is not a schema"):
        read_schema(document, "x")

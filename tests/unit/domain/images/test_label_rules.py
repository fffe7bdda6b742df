"""Where classes come from: folders, names, or nowhere."""

from __future__ import annotations

import json

import pytest

from labelmill.domain.images.label_rules import parse_label_rule
from labelmill.errors import InputError


@pytest.mark.parametrize(
    ("rule", "uri", "label", "attributes"),
    [
        ("folder", "train/cat/1.png", "cat", None),
        ("none", "train/cat/1.png", None, None),
        ("{class}.{number}.png", "x/cat.100.png", "cat", {"number": "100"}),
        ("{class}_{number}.png", "great_pyrenees_12.png", "great_pyrenees", {"number": "12"}),
        ("{class}_*.png", "a/b/dog_9.png", "dog", None),
        ("{camera}/{class}-*.png", "x/cam7/ok-1.png", "ok", {"camera": "cam7"}),
        ("day/{class}.png", "x/day/ok.png", "ok", None),
        ("day/{class}.png", "x/today/ok.png", None, None),
        ("{class}.{number}.png", "cat.png", None, None),
        ("{class}.{number}.png", ".100.png", None, None),
        ("{class}.{number}.png", "cat.100.jpg", None, None),
        ("img_{class}.png", "img_cat.png", "cat", None),
        ("img_{class}.png", "my_img_cat.png", None, None),
        ("*_{class}.png", "my_img_cat.png", "cat", None),
        ("{class}.png", "a/ü{x}.png", "ü{x}", None),
    ],
)
def test_rules(rule: str, uri: str, label: str | None, attributes: object) -> None:
    found, said = parse_label_rule(rule).read(uri)
    assert found == label
    assert (json.loads(said) if said else None) == attributes


def test_a_hostile_name_costs_no_time() -> None:
    rule = parse_label_rule("{a}_{b}_{c}_{d}_{class}.png")
    assert rule.read("_" * 1_000_000 + ".jpg") == (None, None)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("folders", "expected folder, none, or a pattern"),
        ("{number}.png", "names no {class}"),
        ("{class}{number}.png", "two names need a text between"),
        ("{class}_{class}.png", "twice"),
        ("{Class}.png", "invalid"),
        ("{class}.png}", "invalid"),
    ],
)
def test_invalid_rules_are_refused(rule: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("{", r"\{")):
        parse_label_rule(rule)

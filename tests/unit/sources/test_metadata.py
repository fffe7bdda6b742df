"""What becomes an attribute, and how it is written."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from labelmill.sources.metadata import attributes_of


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("12", "12"),
        ("-0.50", "-0.50"),
        ("6.02e23", "6.02e23"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("007", '"007"'),
        ("+1", '"+1"'),
        (".5", '".5"'),
        ("1e999", '"1e999"'),
        ("NaN", '"NaN"'),
        ("true", '"true"'),
        ("1,5", '"1,5"'),
        ("١", '"١"'),
        ('ü "x"\n', '"ü \\"x\\"\\n"'),
    ],
)
def test_a_cell_of_text_is_a_number_only_where_json_says_so(cell: str, written: str) -> None:
    assert attributes_of({"x": cell}, texts=True) == f'{{"x": {written}}}'


def test_typed_values_keep_their_types() -> None:
    values: dict[str, Any] = {
        "text": "12",
        "whole": 12,
        "half": 0.5,
        "yes": True,
        "price": Decimal("1.50"),
        "big": Decimal("12345678901234567890"),
        "day": date(2024, 5, 1),
        "time": datetime(2024, 5, 1, 12, tzinfo=timezone.utc),
        "box": {"x": 1, "y": [1.5, None]},
        "nothing": None,
        "nan": float("nan"),
    }
    text = attributes_of(values)
    assert json.loads(text or "") == {
        "text": "12",
        "whole": 12,
        "half": 0.5,
        "yes": True,
        "price": 1.5,
        "big": 12345678901234567890,
        "day": "2024-05-01",
        "time": "2024-05-01T12:00:00+00:00",
        "box": {"x": 1, "y": [1.5, None]},
    }
    assert text == attributes_of(dict(reversed(values.items())))


def test_no_values_are_no_object() -> None:
    assert attributes_of({}) is None
    assert attributes_of({"x": None}) is None


def test_bytes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'thumb' holds bytes.*leave it out"):
        attributes_of({"thumb": b"\xff"})

"""What a person says: rows are read and checked, and weighed against what was said before."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelmill.domain.images.corrections import (
    Correction,
    Defaults,
    KnownClasses,
    Weighed,
    Word,
    parse_correction,
    take_back,
    weigh,
)
from labelmill.errors import InputError

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ADA = Defaults("digits", by="ada")


def parse(row: dict[str, Any], defaults: Defaults = ADA) -> Correction:
    return parse_correction("line 2", row, defaults, NOW)


def test_a_row_is_read_and_what_it_lacks_comes_from_the_command() -> None:
    whole = {
        "image_id": "ABCDEF12", "class": "7", "annotator": " bob ", "why": "a hook", "other": b"?",
        "annotated_at": "2026-05-31T14:00+02:00", "collection": "digits",
    }  # fmt: skip
    assert parse(whole) == Correction("line 2", "abcdef12", "7", "bob", NOW - DAY, "a hook")
    defaults = Defaults("digits", "ada", NOW - DAY, "by eye")
    bare = {"image_id": "a" * 64, "class": 7, "why": "", "annotated_at": None, "annotator": float("nan")}  # fmt: skip
    assert parse(bare, defaults) == Correction("line 2", "a" * 64, "7", "ada", NOW - DAY, "by eye")
    assert parse(bare).at is None
    assert parse(bare).source == "person/ada"


@pytest.mark.parametrize("nothing", [None, "", " ", float("nan"), pd.NaT, pd.NA])
def test_a_cell_may_be_empty_in_any_way_that_a_data_frame_has(nothing: Any) -> None:
    row = {"image_id": "a" * 64, "class": np.int64(7), "annotated_at": nothing, "why": nothing}
    found = parse({**row, "annotator": nothing, "collection": nothing})
    assert found == Correction("line 2", "a" * 64, "7", "ada", None, None)
    with pytest.raises(ValueError, match="no class"):
        parse({**row, "class": nothing})


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"image_id": "abcde"}, "first 6 or more"),
        ({"image_id": "xyzxyz"}, "'xyzxyz'; expected an image id"),
        ({"image_id": "a" * 65}, "64 hex digits"),
        ({"image_id": None}, "expected an image id"),
        ({"class": " "}, "no class"),
        ({"class": None}, "no class"),
        ({"class": 1.5}, "is float; expected text"),
        ({"class": "x" * 201}, "has 201 bytes; expected 200 at most"),
        ({"class": "a\0b"}, "holds a NUL"),
        ({"annotator": "a\tb"}, "printable"),
        ({"annotated_at": "yesterday"}, "is not a time"),
        ({"annotated_at": "2026-06-01T13:00Z"}, "lies in the future"),
        ({"collection": "pets"}, "these corrections are of 'digits'"),
        ({"why": "x" * 4_001}, "the reason|why has 4,001 bytes"),
    ],
)
def test_what_is_wrong_with_a_row_is_told(cells: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse({"image_id": "a" * 64, "class": "7", **cells})


def test_somebody_must_say_it() -> None:
    with pytest.raises(ValueError, match="nobody says so"):
        parse({"image_id": "a" * 64, "class": "7"}, Defaults("digits"))
    with pytest.raises(InputError, match="without spaces around it"):
        Defaults("digits", by=" ada")


def test_a_slip_of_the_pen_makes_no_class() -> None:
    known = KnownClasses(["cat", "dog", " odd "])
    known.check("cat")
    known.check(" odd ")
    with pytest.raises(
        InputError, match=r"unknown class 'cot'; .* 3 classes.* Did you mean 'cat'\?"
    ):
        known.check("cot")
    with pytest.raises(InputError, match="spaces around it"):
        known.check("cat ")
    KnownClasses(["cat"], new_classes=True).check("fox")
    KnownClasses([]).check("fox")
    many = KnownClasses(map(str, range(10_000)))
    with pytest.raises(InputError) as error:
        many.check("x")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("said", "label", "at", "expected"),
    [
        (None, "7", None, Weighed("new", Word("7", NOW))),
        (None, "7", NOW - DAY, Weighed("new", Word("7", NOW - DAY))),
        (Word("7", NOW - DAY), "7", None, Weighed("unchanged", Word("7", NOW - DAY))),
        (Word("7", NOW - DAY), "7", NOW - DAY, Weighed("unchanged", Word("7", NOW - DAY))),
        (Word("7", NOW - DAY), "7", NOW, Weighed("changed", Word("7", NOW))),
        (Word("7", NOW - DAY), "8", None, Weighed("changed", Word("8", NOW))),
        (Word("7", NOW), "8", NOW - DAY, Weighed("outdated", Word("7", NOW))),
        (Word("7", NOW), "8", NOW, Weighed("changed", Word("8", NOW))),
        # The clock was set back by a day since.
        (
            Word("7", NOW + DAY), "8", None,
            Weighed("changed", Word("8", NOW + DAY + timedelta(microseconds=1))),
        ),
    ],
)  # fmt: skip
def test_the_latest_word_counts(
    said: Word | None, label: str, at: datetime | None, expected: Weighed
) -> None:
    assert weigh(said, label, at, NOW) == expected


def test_what_is_taken_back_gives_way_to_the_class_before() -> None:
    first, second, again, last = (
        Word(label, NOW - days * DAY) for label, days in (("1", 4), ("2", 3), ("7", 2), ("7", 1))
    )
    history = [(last, False), (first, False), (again, False), (second, False)]
    assert take_back(history, last) == (second, [last, again])
    assert take_back([(first, False), (second, True)], again) == (first, [again])
    assert take_back([(first, True)], second) == (None, [second])
    assert take_back([], first) == (None, [first])

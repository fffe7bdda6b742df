"""Which parameters are bound again as text; the analysis is played by a function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.sql.plan.reader import Casts
from labelmill.sql.text_parameters import bind_as_text


def analyse(bound: Mapping[str, Any]) -> tuple[Any, Casts]:
    """``class = :c and width < :w limit :n``."""
    if isinstance(bound["n"], str):
        raise InputError("limit of text")
    texts = [f"(CAST(class AS INT) = {bound['c']})"] if not isinstance(bound["c"], str) else []
    return dict(bound), Casts((), tuple(texts))


def test_only_what_is_compared_with_text_becomes_text() -> None:
    values = {"n": 3, "w": 5, "c": 7}
    bound, casts = bind_as_text(analyse, values, {"n": "3", "w": "5", "c": " 7"})
    assert bound == {"n": 3, "w": 5, "c": "7"}
    assert casts.compared == ()


def test_values_that_came_from_no_text_stay() -> None:
    bound, casts = bind_as_text(analyse, {"n": 3, "w": 5, "c": 7}, {})
    assert bound == {"n": 3, "w": 5, "c": 7}
    assert len(casts.compared) == 1


def test_a_parameter_that_must_be_both_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"parameter n = 7 is compared with text .*used as a number"
    ):
        bind_as_text(analyse, {"n": 7, "c": 7}, {"n": "7"})


def test_where_only_text_fits_numbers_become_text() -> None:
    def contains(bound: Mapping[str, Any]) -> tuple[Any, Casts]:
        """``array_contains(tags, :t) and array_contains(names, :u) limit :n``."""
        if [type(bound[name]) for name in "tun"] != [str, str, int]:
            raise InputError("does not fit")
        return dict(bound), Casts((), ())

    texts = {"t": " 1", "u": "2", "n": "3"}
    bound, _ = bind_as_text(contains, {"t": 1, "u": "two", "n": 3}, texts)
    assert bound == {"t": "1", "u": "two", "n": 3}
    with pytest.raises(InputError, match=r"^does not fit$"):
        bind_as_text(contains, {"t": 1, "u": 2, "n": 3}, texts)

    def unknown(bound: Mapping[str, Any]) -> tuple[Any, Casts]:
        asked.append(bound)
        raise UnknownName("column", "clas", ["class"])

    asked: list[Mapping[str, Any]] = []
    with pytest.raises(UnknownName):
        bind_as_text(unknown, {"t": 1}, texts)
    assert len(asked) == 1

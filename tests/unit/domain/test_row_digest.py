from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.row_digest import rows_digest
from labelmill.errors import InputError

values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
)
rows = st.lists(st.lists(values, max_size=4), max_size=6)


@given(rows, st.randoms())
def test_order_does_not_matter(items: list[list[object]], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rows_digest(shuffled) == rows_digest(items)


def test_stable_across_processes_and_releases() -> None:
    assert rows_digest([("mnist", 5, None, 0.5, b"\0\1", True)]) == WRITTEN_DOWN


WRITTEN_DOWN = "8b441321e2b32e84b5d658cd0a91b2445523150d47962f0a8f0a6caf7b4fb872"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([("ab", "c")], [("a", "bc")]),
        ([("1",)], [(1,)]),
        ([(1,)], [(1.0,)]),
        ([(1,)], [(True,)]),
        ([("a",)], [(b"a",)]),
        ([(None,)], [("",)]),
        ([(None,)], [()]),
        ([("a",), ("a",)], [("a",)]),
        ([("a",), ("b",)], [("a", "b")]),
        ([], [()]),
        ([(["a", "b"],)], [("a", "b")]),
    ],
)
def test_different_rows_differ(
    left: list[tuple[object, ...]], right: list[tuple[object, ...]]
) -> None:
    assert rows_digest(left) != rows_digest(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, np.int64(1)),
        (0.5, np.float32(0.5)),
        (0.0, -0.0),
        (float("nan"), -float("nan")),
        (b"ab", bytearray(b"ab")),
        (b"ab", memoryview(b"ab")),
        (True, np.True_),
        (("a",), ["a"]),
        (
            datetime(2026, 1, 1, 12, tzinfo=timezone.utc),
            datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
)
def test_equal_values_are_equal(left: object, right: object) -> None:
    assert rows_digest([(left,)]) == rows_digest([(right,)])


def test_other_values_are_refused() -> None:
    with pytest.raises(InputError, match="received dict"):
        rows_digest([({},)])

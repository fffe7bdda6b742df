"""Checks of rows, as plain functions: values that numpy hands over, moments, sizes of flushes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import InputError
from labelmill.store.drivers.flushes import FLUSH_BYTES, FLUSH_ROWS, flushes
from labelmill.store.drivers.native.timestamps import exact
from labelmill.store.schema.rows import checked_rows, micros_of, moment_of
from labelmill.testing.store_contract.samples import EVERY_TYPE

MICROS = st.integers(min_value=-(2**53), max_value=2**53)


def test_numbers_of_numpy_become_plain() -> None:
    row = {
        "name": "n",
        "number": np.int64(7),
        "a_float": np.float32(0.5),
        "a_double": np.float64(0.1),
        "a_int8": np.uint8(127),
        "a_bool": np.bool_(True),
        "a_binary": memoryview(b"abc"),
    }
    (ready,) = checked_rows(EVERY_TYPE, [row])
    assert ready == {
        "name": "n",
        "number": 7,
        "a_float": 0.5,
        "a_double": 0.1,
        "a_int8": 127,
        "a_bool": True,
        "a_binary": b"abc",
    }
    assert [type(value) for value in ready.values()] == [str, int, float, float, int, bool, bytes]


def test_numbers_out_of_range_name_the_range() -> None:
    with pytest.raises(InputError, match=r"a_int8 of row 0.*128 is outside int8 \(-128 to 127\)"):
        checked_rows(EVERY_TYPE, [{"name": "n", "number": 1, "a_int8": np.uint8(128)}])


def test_a_string_where_an_array_is_expected() -> None:
    with pytest.raises(InputError, match=r"a_binary.*expected bytes.*str"):
        checked_rows(EVERY_TYPE, [{"name": "n", "number": 1, "a_binary": "text"}])


@given(MICROS)
def test_moments_are_exact_to_the_microsecond(micros: int) -> None:
    assert micros_of(moment_of(micros)) == micros
    there = moment_of(micros).astimezone(timezone(timedelta(hours=-3, minutes=-30)))
    assert micros_of(there) == micros


@given(MICROS)
def test_moments_survive_the_arithmetic_of_kudu_python(micros: int) -> None:
    # What kudu.util.to_unixtime_micros does with an aware UTC datetime.
    epoch = datetime.fromtimestamp(0, timezone.utc)
    moment = exact(micros).replace(tzinfo=timezone.utc)
    assert int((moment - epoch).total_seconds() * 1000000) == micros


def test_flushes_are_bounded_by_rows_and_by_bytes() -> None:
    small: list[dict[str, object]] = [{"n": i} for i in range(2 * FLUSH_ROWS + 1)]
    assert [len(part) for part in flushes(small)] == [FLUSH_ROWS, FLUSH_ROWS, 1]
    large: list[dict[str, object]] = [{"n": i, "data": bytes(60_000)} for i in range(300)]
    parts = list(flushes(large))
    assert [row for part in parts for row in part] == large
    assert all(len(part) * 60_008 <= FLUSH_BYTES for part in parts)
    assert len(parts) == 5

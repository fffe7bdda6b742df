"""Checks of Arrow columns: the same rows as dicts give, and what Arrow alone can get wrong."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.errors import InputError
from labelmill.store.drivers.flushes import FLUSH_BYTES, FLUSH_ROWS, cuts, flushes
from labelmill.store.schema.columns import checked_batch, is_batch, rows_of
from labelmill.store.schema.rows import checked_rows
from labelmill.testing.store_contract.samples import (
    EMPTY,
    EVERY_TYPE,
    EVERY_TYPE_COLUMNS,
    FULL,
    NULLS,
    PLAIN,
)

ROWS = [FULL, EMPTY, NULLS]


def test_columns_become_the_rows_that_dicts_become() -> None:
    batch = pa.RecordBatch.from_pylist(ROWS, EVERY_TYPE_COLUMNS)
    assert rows_of(checked_batch(EVERY_TYPE, batch)) == checked_rows(EVERY_TYPE, ROWS)
    keys = rows_of(checked_batch(EVERY_TYPE, batch.slice(0, 2), keys_only=True))
    assert keys == checked_rows(EVERY_TYPE, ROWS[:2], keys_only=True)


def test_what_is_a_batch() -> None:
    batch = pa.RecordBatch.from_pylist(ROWS, EVERY_TYPE_COLUMNS)
    assert is_batch(batch)
    assert is_batch(pa.Table.from_batches([batch]))
    assert not is_batch(ROWS)


def test_null_behind_a_dictionary_is_null() -> None:
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))
    with pytest.raises(InputError, match=r"name of row 1 \(name=None\): null"):
        checked_batch(PLAIN, pa.table({"name": names, "number": [1, 2]}))


def test_offsets_that_lead_elsewhere_are_refused() -> None:
    offsets = pa.py_buffer(np.array([0, 1_000_000, 3], np.int32).tobytes())
    names = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"abc"))
    with pytest.raises(InputError, match=r"contract_plain.name: not a string column"):
        checked_batch(PLAIN, pa.table({"name": names, "number": [1, 2]}))


def test_duplicate_column() -> None:
    twice = pa.table([["a"], [1], [2]], names=["name", "number", "number"])
    with pytest.raises(InputError, match=r"contract_plain.number occurs 2 times"):
        checked_batch(PLAIN, twice)


HELD = {size: bytes(size) for size in (1, 8, 60_000, FLUSH_BYTES, 3 * FLUSH_BYTES)}


@given(st.lists(st.sampled_from(sorted(HELD)), max_size=40))
def test_columns_are_cut_where_rows_are(sizes: list[int]) -> None:
    parts = [len(part) for part in flushes([{"data": HELD[size]} for size in sizes])]
    found = [end - start for start, end in cuts(np.array(sizes, np.int64))]
    assert found == [rows for rows in parts if rows]


def test_columns_are_cut_by_rows_too() -> None:
    found = list(cuts(np.full(2 * FLUSH_ROWS + 1, 8)))
    assert [end - start for start, end in found] == [FLUSH_ROWS, FLUSH_ROWS, 1]

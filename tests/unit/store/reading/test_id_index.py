"""Positions of ids among others, exact for any text and quick for hashes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from labelmill.store.reading.id_index import IdIndex
from tests.helpers.plans import ids_of


def test_ids_are_found_among_others() -> None:
    known = ids_of(50)
    ids = IdIndex(pa.array(known[::2]))
    assert ids.positions(pa.array(known)).tolist() == [
        n // 2 if n % 2 == 0 else -1 for n in range(50)
    ]
    assert ids.positions(pa.array(known).slice(10, 3)).tolist() == [5, -1, 6]
    assert ids.positions(pa.array(known[::2][::-1])).tolist() == list(range(25))[::-1]
    alike = IdIndex(pa.array(["a" * 8 + end * 8 for end in "bdf"]))
    assert alike.positions(pa.array(["a" * 8 + end * 8 for end in "bbcdfa"])).tolist() == [
        0, 0, -1, 1, 2, -1
    ]  # fmt: skip
    right, wrong = np.arange(25, dtype=np.int32), np.arange(25, dtype=np.int32)[::-1]
    assert ids.positions(pa.array(known[::2]), right) is right
    assert ids.positions(pa.array(known[::2]), wrong).tolist() == right.tolist()
    assert ids.positions(pa.array(known[1::2]), right).tolist() == [-1] * 25
    assert ids.positions(pa.array(known[:2]), right).tolist() == [0, -1]
    odd = IdIndex(pa.array(["", "a", "aé", "b"]))
    assert odd.positions(pa.array(["aé", "zz", "b", "a", ""])).tolist() == [2, -1, 3, 1, 0]
    assert IdIndex(pa.array([], pa.string())).positions(pa.array(["a"])).tolist() == [-1]
    assert ids.positions(pa.array([], pa.string())).tolist() == []

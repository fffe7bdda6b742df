"""Positions of ids among others, exact for any text and quick for hashes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from labelmill.store.reading.id_index import Ids
from tests.helpers.plans import ids_of


def test_ids_are_found_among_others() -> None:
    known = ids_of(50)
    ids = Ids(pa.array(known[::2]))
    assert ids.places(pa.array(known)).tolist() == [n // 2 if n % 2 == 0 else -1 for n in range(50)]
    assert ids.places(pa.array(known).slice(10, 3)).tolist() == [5, -1, 6]
    assert ids.places(pa.array(known[::2][::-1])).tolist() == list(range(25))[::-1]
    alike = Ids(pa.array(["a" * 8 + end * 8 for end in "bdf"]))
    assert alike.places(pa.array(["a" * 8 + end * 8 for end in "bbcdfa"])).tolist() == [
        0, 0, -1, 1, 2, -1
    ]  # fmt: skip
    right, wrong = np.arange(25, dtype=np.int32), np.arange(25, dtype=np.int32)[::-1]
    assert ids.places(pa.array(known[::2]), right) is right
    assert ids.places(pa.array(known[::2]), wrong).tolist() == right.tolist()
    assert ids.places(pa.array(known[1::2]), right).tolist() == [-1] * 25
    assert ids.places(pa.array(known[:2]), right).tolist() == [0, -1]
    odd = Ids(pa.array(["", "a", "aé", "b"]))
    assert odd.places(pa.array(["aé", "zz", "b", "a", ""])).tolist() == [2, -1, 3, 1, 0]
    assert Ids(pa.array([], pa.string())).places(pa.array(["a"])).tolist() == [-1]
    assert ids.places(pa.array([], pa.string())).tolist() == []

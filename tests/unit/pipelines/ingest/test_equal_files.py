"""Which files of a wave have the same bytes."""

from __future__ import annotations

import numpy as np

from labelmill.pipelines.ingest.batch import NO_ID
from labelmill.pipelines.ingest.equal_files import equal_files


def test_equal_ids_are_found_with_their_positions_in_order() -> None:
    ids = np.random.default_rng(0).integers(0, 256, (5_000, 32), np.uint8)
    ids[[4_000, 17, 90]] = ids[3]
    ids[1] = ids[2_000]
    ids[50, :8] = ids[51, :8]  # the same beginning only
    ids[[5, 6, 7]] = 0  # bad files have no id
    assert ids[5].tobytes() == NO_ID
    found = equal_files(ids.tobytes())
    assert found == {
        ids[3].tobytes().hex(): [3, 17, 90, 4_000],
        ids[1].tobytes().hex(): [1, 2_000],
    }


def test_no_files_and_different_files_have_no_equals() -> None:
    assert equal_files(b"") == {}
    assert equal_files(NO_ID) == {}
    assert equal_files(bytes(31) + b"\1" + bytes(31) + b"\2") == {}

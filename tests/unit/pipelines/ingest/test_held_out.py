"""Which split keeps an image that files of several splits hold."""

from __future__ import annotations

import hashlib

from labelmill.domain.splits.held_out import ORDER
from labelmill.pipelines.ingest.held_out import SplitIds


def packed(*names: str) -> bytes:
    return b"".join(hashlib.sha256(name.encode()).digest() for name in names)


def test_images_in_several_splits_are_counted_and_listed() -> None:
    codes = bytes([0, *range(1, len(ORDER) + 1)])
    with SplitIds() as ids:
        ids.add(packed("a", "a", "b", "c"), codes)
        ids.add(packed("c", "d", "d", "b"), bytes([1, 1, 1, 3]))
        assert ids.shared() == 2
        test = [one for part in ids.of("test") for one in part]
        assert sorted(test) == sorted(packed(name).hex() for name in "cb")

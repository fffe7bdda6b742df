"""Images that a source has in several splits: the one that is held out furthest keeps them.

An image is one row, whatever number of files hold its bytes; and which file comes first is an accident of
names. Were it trained on, what a model reaches on the test images would say too much. The rule has an
order, so the end is the same however often and in whatever order sources are ingested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType

import numpy as np

from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.pipelines.ingest.distinct_ids import DistinctIds
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGES

ORDER = SPLITS_SHOWN
"""Later ones win: held out further."""

_AT_ONCE, _WHOLE_AT_ONCE = 500, 100


def held_out_of(*splits: str | None) -> str | None:
    """The split that keeps an image which is in all of these; None counts least.

    Example::

        >>> held_out_of("train", None, "test", "validation")
        'test'
    """
    return max(splits, key=_rank)


def _rank(split: str | None) -> int:
    names: tuple[str, ...] = ORDER
    return names.index(split) + 1 if split in names else 0


class SplitIds:
    """The ids of a run's images by split; a context manager, as `DistinctIds` is."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._all = DistinctIds()
        self._by_split: dict[str, DistinctIds] = {split: DistinctIds() for split in ORDER}

    def add(self, ids: bytes, codes: bytes) -> None:
        """Adds the files of a batch.

        Args:
            ids: 32 bytes a file.
            codes: One byte a file: 1 + position in `ORDER`; 0: no split.
        """
        packed = np.frombuffer(ids, np.uint8).reshape(-1, 32)
        code_of = np.frombuffer(codes, np.uint8)
        for number, split in enumerate(ORDER, 1):
            mine = packed[code_of == number]
            if len(mine):
                self._by_split[split].add(mine.tobytes())
                self._all.add(mine.tobytes())

    def shared(self) -> int:
        """Number of images in more than one split (one in three counts twice)."""
        return sum(ids.count() for ids in self._by_split.values()) - self._all.count()

    def of(self, split: str) -> Iterator[list[str]]:
        """Ids of a split in hex, a few hundred at a time."""
        for ids in self._by_split[split].parts():
            for start in range(0, len(ids), _AT_ONCE):
                yield [one.tobytes().hex() for one in ids[start : start + _AT_ONCE]]

    def __enter__(self) -> SplitIds:
        for ids in (self._all, *self._by_split.values()):
            self._stack.enter_context(ids)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


def stored_split(row: Mapping[str, object]) -> str | None:
    """The split of a row of ``images``."""
    return None if row["split"] is None else str(row["split"])


def hold_out(client: RowClient, collection: str, ids: SplitIds) -> int:
    """Moves images to the held-out split that a file of this run gave them, where they are in another.

    Returns:
        Number of images that were moved; their rows are written whole.
    """
    moved = 0
    for split in ORDER[1:]:
        for part in ids.of(split):
            mine = {"collection": collection, "image_id": part}
            # Nearly all are right: pixels are read of the others only.
            wrong = [
                row["image_id"]
                for row in client.scan(IMAGES, ["image_id", "split"], mine)
                if held_out_of(stored_split(row), split) != row["split"]
            ]
            for start in range(0, len(wrong), _WHOLE_AT_ONCE):
                some = wrong[start : start + _WHOLE_AT_ONCE]
                rows = client.scan(IMAGES, None, {"collection": collection, "image_id": some})
                moved += client.write(IMAGES, [{**row, "split": split} for row in rows])
    return moved

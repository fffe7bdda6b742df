"""Images that a source has in several splits are moved to the one that is held out furthest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np

from labelmill.domain.splits.held_out import ORDER, also_in, in_several
from labelmill.pipelines.ingest.distinct_ids import DistinctIds
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGES

_AT_ONCE, _WHOLE_AT_ONCE = 500, 100


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


def hold_out(client: RowClient, collection: str, ids: SplitIds) -> int:
    """Moves images that are in several splits to the one that is held out furthest; they name the others.

    Returns:
        Number of images that were changed; their rows are written whole.
    """
    changed = 0
    read = ["image_id", "split", "attributes"]
    for split in ORDER:
        for part in ids.of(split):
            mine = {"collection": collection, "image_id": part}
            # Nearly all are right: pixels are read of the others only.
            wrong = [
                row["image_id"]
                for row in client.scan(IMAGES, read, mine)
                if any(row[name] != value for name, value in _in_also(row, split).items())
            ]
            for start in range(0, len(wrong), _WHOLE_AT_ONCE):
                some = wrong[start : start + _WHOLE_AT_ONCE]
                rows = client.scan(IMAGES, None, {"collection": collection, "image_id": some})
                changed += client.write(IMAGES, [{**row, **_in_also(row, split)} for row in rows])
    return changed


def _in_also(row: Mapping[str, Any], split: str) -> dict[str, str | None]:
    """Split and attributes of a row of ``images`` that a file of this run has in `split`."""
    attributes = row["attributes"]
    return in_several({row["split"], *also_in(attributes), split}, attributes)

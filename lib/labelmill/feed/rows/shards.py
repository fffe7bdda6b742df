"""Rows of shard files, memory-mapped. Executors read them with this too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError, NoData
from labelmill.feed.files.columns import About, Images, about_of, images_of, merge_images
from labelmill.feed.files.locations import local_path, open_input
from labelmill.feed.order.permutation import RowIndex
from labelmill.feed.rows.split import SplitRows


class ShardReader:
    """Rows of shard files, memory-mapped, without verification.

    Args:
        paths: Local paths or `pyarrow.fs` URIs of the shards.
    """

    # The part that one of several learners gets: its number, and how many there are.
    _shard = (0, 1)

    def __init__(self, paths: Sequence[str]) -> None:
        self.tables = [_open(path) for path in paths]
        self._split_rows: dict[str, SplitRows] = {}

    @property
    def about(self) -> About:
        """Kind, target and classes.

        Raises:
            NoData: There are no shards.
        """
        if not self.tables:
            raise NoData("a training set without shards; freeze the slice again")
        return about_of(self.tables[0].schema)

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        return self.about.classes if self.tables else []

    def split(self, name: str) -> tuple[list[str], Images, npt.NDArray[np.int64]]:
        """All images of one split at once, with their classes; of a learner's shard, its images.

        Args:
            name: ``train``, ``validation`` or ``test``.

        Returns:
            Image ids; images as one array ``(N, H, W, C)`` when all shapes and dtypes agree (views
            of the memory map where possible), else a list of ``(H, W, C)``; class indices ``(N,)``
            int64. All empty when the split has no rows.

        Raises:
            InputError: No such name, a class that is not in the class list, or rows that are not
                images of one class.
        """
        tables = self._of(name)
        if not tables:
            return [], [], np.zeros(0, np.int64)
        if self.about[:2] != ("images", "class"):
            raise InputError(
                f"{self.about.kind} with target {self.about.target!r}; expected images with one class. "
                "Read these with TrainingSet.tf or .numpy"
            )
        rows = self.split_rows(name)
        images = merge_images(
            [images_of(batch) for table in tables for batch in table.to_batches()]
        )
        ids, classes = rows.table["image_id"].to_pylist(), rows.take_targets()
        if self._shard == (0, 1):
            return ids, images, classes
        own = self._own(name)
        some = images[own] if isinstance(images, np.ndarray) else [images[n] for n in own]
        return [ids[n] for n in own], some, classes[own]

    def has(self, name: str) -> bool:
        """Whether a split has rows.

        Raises:
            InputError: No such name.
        """
        return bool(self._of(name))

    def image_parts(self, name: str) -> Iterator[Images]:
        """The images of `split`, a part at a time: views of the memory map where possible.

        Raises:
            InputError: No such name, or rows that are not images.
        """
        for table in self._of(name):
            for batch in table.to_batches():
                if len(batch):
                    yield images_of(batch)

    def rows(self, name: str) -> pa.Table:
        """The rows of one split as they were frozen: views of the memory map.

        Of a learner's shard, its rows in that order, copied. Columns are those of
        `labelmill.feed.files.columns.columns_of`.

        Raises:
            InputError: No such name.
        """
        rows = pa.concat_tables([self.tables[0].schema.empty_table(), *self._of(name)])
        if self._shard == (0, 1):
            return rows
        own = np.zeros(len(rows), bool)
        own[self._own(name)] = True
        # A filter, because Arrow's take would first concatenate all chunks of text and pixels.
        return rows.filter(pa.array(own))

    def split_rows(self, name: str) -> SplitRows:
        """The rows of one split, for access by row number.

        Raises:
            InputError: No such name.
            NoData: It has no rows.
        """
        if name not in self._split_rows:
            tables = self._of(name)
            if not tables:
                has = sorted({t["split"][0].as_py() for t in self.tables if len(t)})
                raise NoData(
                    f"the training set has no rows in split {name!r}, only in {', '.join(has) or 'none'}; "
                    "freeze the slice with other --fractions"
                )
            self._split_rows[name] = SplitRows(tables, self.about)
        return self._split_rows[name]

    def _own(self, name: str) -> RowIndex:
        """Rows of the split that a learner's shard gets when it is not shuffled, ascending."""
        number, shards = self._shard
        rows = sum(len(table) for table in self._of(name)) // shards
        return np.arange(rows) * shards + number

    def _of(self, name: str) -> list[pa.Table]:
        if name not in SPLITS:
            raise InputError(f"split {name!r}; expected one of {', '.join(SPLITS)}")
        return [t for t in self.tables if len(t) and t["split"][0].as_py() == name]


def open_files(paths: Sequence[str]) -> ShardReader:
    """Opens shards that are on this machine's disk; for executors."""
    return ShardReader(paths)


def _open(path: str) -> Any:
    local = local_path(path)
    if local is None:
        with open_input(path) as file:
            return pa.ipc.open_file(pa.BufferReader(file.read())).read_all()
    return pa.ipc.open_file(pa.memory_map(local)).read_all()

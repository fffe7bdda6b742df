"""Rows of shard files, memory-mapped: what executors read too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError, NoData
from labelmill.feed.files.columns import About, Images, about_of, images_of, together
from labelmill.feed.files.locations import local_path, open_input
from labelmill.feed.rows.split import SplitRows


class Frozen:
    """Rows of shard files, memory-mapped; nothing is verified here.

    Args:
        paths: Local paths or `pyarrow.fs` URIs of shards, whole names as in the manifest or with
            something before them.
    """

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
        """All images of one split at once, each with its one class.

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
                "Feed these with TrainingSet.tf or .numpy"
            )
        rows = self.split_rows(name)
        images = [images_of(batch) for table in tables for batch in table.to_batches()]
        ids = rows.table["image_id"].to_pylist()
        return ids, together(images), rows.take_targets()

    def rows(self, name: str) -> pa.Table:
        """The rows of one split as they were frozen: columns `columns_of`, views of the memory map.

        Raises:
            InputError: No such name.
        """
        return pa.concat_tables([self.tables[0].schema.empty_table(), *self._of(name)])

    def split_rows(self, name: str) -> SplitRows:
        """The rows of one split, to be taken by number.

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

    def _of(self, name: str) -> list[pa.Table]:
        if name not in SPLITS:
            raise InputError(f"split {name!r}; expected one of {', '.join(SPLITS)}")
        return [t for t in self.tables if len(t) and t["split"][0].as_py() == name]


def open_files(paths: Sequence[str]) -> Frozen:
    """Shards that were brought to this machine; for executors."""
    return Frozen(paths)


def _open(path: str) -> Any:
    local = local_path(path)
    if local is None:
        with open_input(path) as file:
            return pa.ipc.open_file(pa.BufferReader(file.read())).read_all()
    return pa.ipc.open_file(pa.memory_map(local)).read_all()

"""One split of a training set as arrays: images or features, with their targets, by row numbers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.feed.files.columns import About
from labelmill.feed.rows.pixels import Pixels
from labelmill.feed.rows.targets import Classes, Features, OneClass

Places = npt.NDArray[np.int64]


class SplitRows:
    """Rows of one split, in key order, as they were frozen.

    Args:
        tables: Its shards, each of one record batch, not empty.
        about: What their metadata say.
    """

    def __init__(self, tables: Sequence[pa.Table], about: About) -> None:
        self.about = about
        self._tables = tables
        self.table = pa.concat_tables(tables)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def masks(self) -> bool:
        """Targets are masks, which go where their images go."""
        return self.about.target == "mask"

    def take(self, rows: Places) -> tuple[Any, Any]:
        """What a model reads, and what it shall answer.

        Returns:
            Images as `Pixels.take` gives them, or features by name; class indices, ones and noughts,
            masks, or None where nothing is learned.
        """
        from_ = self.images if self.about.kind == "images" else self._features
        return from_.take(rows), None if self.target is None else self.target.take(rows)

    def take_targets(self) -> Any:
        """Targets of all rows."""
        return None if self.target is None else self.target.take(np.arange(len(self)))

    def shapes(self) -> dict[Any, int]:
        """What images, and their masks, look like; each with a row that looks like that."""
        if self.about.kind != "images":
            return {}
        found: dict[Any, int] = dict(self.images.shapes)
        if isinstance(self.target, Pixels):
            found |= {f"{shape} (mask)": row for shape, row in self.target.shapes.items()}
        return found

    @functools.cached_property
    def images(self) -> Pixels:
        """The images of the split."""
        return Pixels(self._batches())

    @functools.cached_property
    def target(self) -> OneClass | Classes | Pixels | None:
        """The targets of the split.

        Raises:
            InputError: A class that is not in the class list.
        """
        if self.about.target == "class":
            return OneClass(self.table, self.about)
        if self.about.target == "classes":
            return Classes(self.table, self.about)
        return Pixels(self._batches(), masks=True) if self.masks else None

    @functools.cached_property
    def _features(self) -> Features:
        return Features(self.table, self.about)

    def _batches(self) -> list[pa.RecordBatch]:
        return [batch for table in self._tables for batch in table.to_batches() if len(batch)]

"""One split of a training set as arrays: images or features with their targets, by row number."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.feed.files.columns import About
from labelmill.feed.order.permutation import RowIndex
from labelmill.feed.rows.pixels import PixelColumn
from labelmill.feed.rows.targets import Classes, Features, OneClass


class SplitRows:
    """Rows of one split, in key order, as they were frozen.

    Args:
        tables: Its shards, each of one record batch, not empty.
        about: Metadata of the shards.
    """

    def __init__(self, tables: Sequence[pa.Table], about: About) -> None:
        self.about = about
        self._tables = tables
        self.table = pa.concat_tables(tables)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def masks(self) -> bool:
        """Whether targets are masks: what moves pixels moves them too."""
        return self.about.target == "mask"

    def take(self, rows: RowIndex) -> tuple[Any, Any]:
        """Inputs and targets of rows, in the order given.

        Returns:
            Images as `PixelColumn.take` returns them, or features by name; class indices, zeros and
            ones, masks, or None without a target.
        """
        inputs = self.images if self.about.kind == "images" else self._features
        return inputs.take(rows), None if self.target is None else self.target.take(rows)

    def take_targets(self) -> Any:
        """Targets of all rows."""
        return None if self.target is None else self.target.take(np.arange(len(self)))

    def shapes(self) -> dict[Any, int]:
        """Distinct shapes of images, and of masks, each with a row that has it."""
        if self.about.kind != "images":
            return {}
        found: dict[Any, int] = dict(self.images.shapes)
        if isinstance(self.target, PixelColumn):
            found |= {f"{shape} (mask)": row for shape, row in self.target.shapes.items()}
        return found

    @functools.cached_property
    def images(self) -> PixelColumn:
        """The images of the split."""
        return PixelColumn(self._batches())

    @functools.cached_property
    def target(self) -> OneClass | Classes | PixelColumn | None:
        """The targets of the split.

        Raises:
            InputError: A class that is not in the class list.
        """
        if self.about.target == "class":
            return OneClass(self.table, self.about)
        if self.about.target == "classes":
            return Classes(self.table, self.about)
        return PixelColumn(self._batches(), masks=True) if self.masks else None

    @functools.cached_property
    def _features(self) -> Features:
        return Features(self.table, self.about)

    def _batches(self) -> list[pa.RecordBatch]:
        return [batch for table in self._tables for batch in table.to_batches() if len(batch)]

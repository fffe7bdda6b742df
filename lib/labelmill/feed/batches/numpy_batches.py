"""Batches as numpy arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from labelmill.feed.batches.blocks import Block, Blocks
from labelmill.feed.batches.state import Progress, Resumable
from labelmill.feed.maps.elements import map_arrays


class NumpyBatches(Resumable):
    """Batches as numpy arrays. One iteration is one pass over ``epochs`` epochs; the next continues.

    Args:
        blocks: Where batches come from.
        identity: Identifies the batches; stored in states.
        epochs: Of a pass; None: unbounded.
        prefetch: Batches prepared ahead, at least; 0: none, and no thread.
    """

    def __init__(
        self, blocks: Blocks, identity: Mapping[str, Any], epochs: int | None, prefetch: int
    ) -> None:
        self._blocks, self._epochs, self._prefetch = blocks, epochs, prefetch
        self._taken = 0
        self._progress = Progress(identity, blocks.per_epoch, epochs, lambda: self._taken)

    def __len__(self) -> int:
        """Batches of a pass.

        Raises:
            TypeError: It is unbounded.
        """
        if self._epochs is None:
            raise TypeError("batches that repeat forever have no length")
        return self._blocks.per_epoch * self._epochs

    def __iter__(self) -> Iterator[Any]:
        """Begins a pass; yields pairs (inputs, targets), or inputs alone without a target."""
        start = self._progress.begin()
        end = self._progress.last_epoch()
        for batches in self._blocks.ahead(start, end, self._prefetch, batches_of):
            for batch in batches:
                self._taken += 1
                yield batch


def batches_of(block: Block) -> Iterator[Any]:
    """Yields the batches of a block, as views of its arrays."""
    element = block.rows.element()
    for number in range(block.batches):
        part = slice(number * block.size, (number + 1) * block.size)
        yield map_arrays(element, operator.itemgetter(part))

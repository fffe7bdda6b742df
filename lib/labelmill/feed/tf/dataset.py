"""Batches as a ``tf.data.Dataset``.

A block of many batches is one trip from Python, in arrays that TensorFlow uses without copying; it cuts
the batches out of them itself. Blocks are made ahead by a thread of this module: TensorFlow removes
``prefetch`` from a dataset that runs Python when its operations are deterministic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from labelmill.feed.batches.blocks import Block, Blocks
from labelmill.feed.batches.options import Feeding, Map
from labelmill.feed.batches.state import Passes, Progress
from labelmill.feed.maps.base import RowArrays
from labelmill.feed.maps.elements import map_arrays
from labelmill.feed.maps.functions import Batched
from labelmill.feed.tf.eager_iterator import tensors_of
from labelmill.feed.tf.resumable_dataset import BatchCounter, dataset_class
from labelmill.feed.tf.specs import batch_spec
from labelmill.learning.runtime import import_tensorflow

T = TypeVar("T")


class BlockSource(Protocol):
    """Blocks of batches, as `Blocks` and `labelmill.live.kafka.blocks` make them."""

    def one(self, row: int) -> RowArrays:
        """One row after the maps."""

    def ahead(
        self, start: Any, end: Any, batches: int, change: Callable[[Block], T]
    ) -> Iterator[T]:
        """Blocks from where the progress begins to where it ends, changed, some made ahead."""


def make_dataset(
    blocks: Blocks, identity: Mapping[str, Any], feeding: Feeding, maps: Sequence[Map]
) -> Any:
    """Batches of a training set as a ``tf.data.Dataset`` with ``state()`` and ``restore(state)``.

    Args:
        blocks: Where batches come from.
        identity: Identifies the batches; stored in states.
        feeding: The arguments.
        maps: Functions of TensorFlow, in order.
    """
    epochs = feeding.epochs
    length = None if epochs is None else blocks.per_epoch * epochs

    def progress(read: Callable[[], int]) -> Progress:
        return Progress(identity, blocks.per_epoch, epochs, read)

    return make_resumable_dataset(blocks, progress, feeding, maps, length)


def make_resumable_dataset(
    blocks: BlockSource,
    progress_of: Callable[[Callable[[], int]], Passes],
    feeding: Feeding,
    maps: Sequence[Map],
    length: int | None,
) -> Any:
    """Batches from any source as a ``tf.data.Dataset`` with ``state()`` and ``restore(state)``.

    Args:
        blocks: Where batches come from.
        progress_of: Makes the passes, given a function that returns how many batches were read.
        feeding: The arguments.
        maps: Functions of TensorFlow, in order.
        length: Batches of a pass; None: unbounded; or `labelmill.feed.tf.resumable_dataset.UNKNOWN`.
    """
    prefetch = feeding.prefetch
    counter = BatchCounter()
    progress = progress_of(counter)

    def pass_of(change: Callable[[Block], T]) -> Iterator[T]:
        start = progress.begin()
        yield from blocks.ahead(start, progress.last_epoch(), prefetch, change)

    def tensor_blocks() -> Iterator[list[Any]]:
        return pass_of(tensors_of)

    size = feeding.batch if feeding.drop_remainder else None
    spec = batch_spec(blocks.one(0).element(), size)

    def make(trips: Callable[[], Iterator[Any]] = lambda: pass_of(_trip)) -> Any:
        return _make(trips, spec, maps, size, prefetch)

    # Only TensorFlow can run functions of TensorFlow.
    return dataset_class()(make, spec, progress, counter, length, None if maps else tensor_blocks)


def _make(
    trips: Callable[[], Iterator[Any]],
    spec: Any,
    maps: Sequence[Map],
    size: int | None,
    prefetch: int,
) -> Any:
    tf = import_tensorflow()
    signature = tf.nest.map_structure(
        lambda leaf: tf.TensorSpec((None, *leaf.shape), leaf.dtype), spec
    )
    made = tf.data.Dataset.from_generator(trips, output_signature=signature)
    # Without maps, `unbatch` does the same as `flat_map`, but is one kernel without a function to trace.
    made = (
        made.flat_map(functools.partial(_batches, maps=maps, size=size)) if maps else made.unbatch()
    )
    if maps and prefetch:
        made = made.prefetch(prefetch)
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = bool(maps)
    return made.with_options(options)


def _trip(block: Block) -> Any:
    def cut(leaf: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return leaf.reshape(block.batches, block.size, *leaf.shape[1:])

    return map_arrays(block.rows.element(), cut)


def _batches(*block: Any, maps: Sequence[Map], size: int | None) -> Any:
    # Here a block is one element, and nothing crosses its ends, so no batch crosses the end of an epoch.
    tf = import_tensorflow()
    value = block if len(block) > 1 else block[0]
    made = tf.data.Dataset.from_tensor_slices(value)
    # If all batches are full, their size is known when a model is built.
    rows = size or tf.shape(tf.nest.flatten(value)[0], out_type=tf.int64)[1]
    for function in maps:
        if isinstance(function, Batched):
            made = made.map(function)
        else:
            made = made.unbatch().map(function, num_parallel_calls=tf.data.AUTOTUNE)
            made = made.batch(rows, drop_remainder=size is not None)
    return made

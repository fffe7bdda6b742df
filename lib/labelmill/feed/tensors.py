"""Batches as a ``tf.data.Dataset``.

A block of many batches is one trip from Python, in arrays that TensorFlow takes over without a copy;
it cuts the batches out of them by itself. Blocks are made ahead by a thread of ours: TensorFlow takes
``prefetch`` out of a dataset that runs Python when its operations are deterministic.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.feed.blocks import Block, Blocks, mixed, shaped
from labelmill.feed.feeding import Feeding, Map
from labelmill.feed.maps import Batched
from labelmill.feed.pixels import Pixels
from labelmill.feed.split_rows import SplitRows
from labelmill.feed.state import Progress
from labelmill.learning.runtime import tensorflow


def dataset(
    blocks: Blocks, identity: Mapping[str, Any], feeding: Feeding, maps: Sequence[Map]
) -> Any:
    """The dataset, of a class of `tf.data.Dataset` with ``state()`` and ``restore(state)``.

    Args:
        blocks: Where batches come from.
        identity: What they are; goes into states.
        feeding: What was asked for.
        maps: Functions of TensorFlow, in order.
    """
    tf, epochs, prefetch = tensorflow(), feeding.epochs, feeding.prefetch
    counter = tf.Variable(0, dtype=tf.int64, trainable=False)
    progress = Progress(identity, blocks.per_epoch, epochs, lambda: int(counter.numpy()))

    def trips() -> Iterator[Any]:
        start = progress.begin()
        for block in blocks.ahead(start, progress.last_epoch(), prefetch):
            yield shaped(block.rows.element(), functools.partial(_cut, block))

    element = blocks.one(0).element()
    rows = feeding.batch if feeding.drop_remainder else None
    signature = shaped(
        element, lambda leaf: tf.TensorSpec((None, rows, *leaf.shape[1:]), _dtype(leaf))
    )
    made = tf.data.Dataset.from_generator(trips, output_signature=signature)
    made = made.flat_map(functools.partial(_batches, maps=maps))
    if maps and prefetch:
        made = made.prefetch(prefetch)
    # Counted where batches are taken, behind everything that reads ahead. Synchronous, because a
    # hop to another thread costs more than everything else that happens to a batch.
    made = made.map(functools.partial(_counted, counter), synchronous=True)
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = bool(maps)
    length = None if epochs is None else blocks.per_epoch * epochs
    return _class()(made.with_options(options), progress, counter, length)


def element_spec(rows: SplitRows) -> Any:
    """What one row is, as ``tf.TensorSpec``: inputs and target without the batch's dimension."""
    tf = tensorflow()
    pixels = (rows.images if rows.about.kind == "images" else None, rows.target)
    parts = [
        _image_spec(column) if isinstance(column, Pixels)
        else shaped(leaf, lambda leaf: tf.TensorSpec(leaf.shape[1:], _dtype(leaf)))
        for column, leaf in zip(pixels, rows.take(np.zeros(1, np.int64)), strict=True)
        if leaf is not None
    ]  # fmt: skip
    return tuple(parts) if len(parts) > 1 else parts[0]


def _image_spec(column: Pixels) -> Any:
    sides = [
        only[0] if len(only) == 1 else None
        for only in ([*set(side)] for side in zip(*column.shapes, strict=True))
    ]
    if sides[3] is None:
        raise mixed("mixed dtypes")
    return tensorflow().TensorSpec(sides[:3], sides[3])


def _cut(block: Block, leaf: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return leaf.reshape(block.batches, block.size, *leaf.shape[1:])


def _batches(*block: Any, maps: Sequence[Map]) -> Any:
    # From here on a block is one element; nothing crosses its ends, so neither do batches epochs' ends.
    tf = tensorflow()
    value = block if len(block) > 1 else block[0]
    made = tf.data.Dataset.from_tensor_slices(value)
    rows = tf.shape(tf.nest.flatten(value)[0], out_type=tf.int64)[1]
    for function in maps:
        if isinstance(function, Batched):
            made = made.map(function)
        else:
            made = made.unbatch().map(function, num_parallel_calls=tf.data.AUTOTUNE).batch(rows)
    return made


def _counted(counter: Any, *batch: Any) -> Any:
    counter.assign_add(1)
    return batch if len(batch) > 1 else batch[0]


def _dtype(leaf: Any) -> Any:
    if isinstance(leaf, list):
        raise mixed("mixed shapes")
    tf = tensorflow()
    return tf.string if leaf.dtype == np.object_ else tf.as_dtype(leaf.dtype)


@functools.cache
def _class() -> Any:
    tf = tensorflow()

    class FedDataset(tf.data.Dataset):  # type: ignore[misc, name-defined]
        """Batches of a training set: a ``tf.data.Dataset`` that knows how far it was taken.

        Args:
            made: The dataset.
            progress: Its passes.
            counter: Variable that counts batches; kept alive here.
            length: Batches of a pass; None: without end.
        """

        def __init__(self, made: Any, progress: Progress, counter: Any, length: int | None) -> None:
            self._made, self._progress, self._counter = made, progress, counter
            self._length = length
            super().__init__(made._variant_tensor)

        def _inputs(self) -> list[Any]:
            return [self._made]

        @property
        def element_spec(self) -> Any:
            return self._made.element_spec

        def cardinality(self) -> Any:
            """Batches of a whole pass; the rest of a resumed one has fewer."""
            known = tf.data.INFINITE_CARDINALITY if self._length is None else self._length
            return tf.constant(known, tf.int64)

        def __len__(self) -> int:
            if self._length is None:
                raise TypeError("batches that repeat without end have no length")
            return self._length

        def state(self) -> dict[str, Any]:
            """How far batches were taken; goes into JSON."""
            return self._progress.state()

        def restore(self, state: Mapping[str, Any]) -> None:
            """Lets the next pass begin where the state was taken.

            Raises:
                InputError: A state of other data, seed, order, batch size or shard.
            """
            self._progress.restore(state)

    return FedDataset

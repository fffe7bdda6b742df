"""Batches as a ``tf.data.Dataset``.

A block of many batches is one trip from Python, in arrays that TensorFlow takes over without a copy;
it cuts the batches out of them by itself. Blocks are made ahead by a thread of ours: TensorFlow takes
``prefetch`` out of a dataset that runs Python when its operations are deterministic.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from labelmill.feed.blocks import Block, Blocks
from labelmill.feed.elements import mixed, shaped
from labelmill.feed.feeding import Feeding, Map
from labelmill.feed.maps import Batched, Rows
from labelmill.feed.pixels import Pixels
from labelmill.feed.split_rows import SplitRows
from labelmill.feed.state import Progress
from labelmill.learning.runtime import unset_tensorflow as tensorflow

UNKNOWN = -2
"""Length of what ends, nobody knows when (TensorFlow's own number for it)."""


class Ahead(Protocol):
    """Where batches come from: `Blocks`, or what does as they do."""

    def one(self, row: int) -> Rows:
        """One row after the maps."""

    def ahead(self, start: Any, end: Any, batches: int) -> Iterator[Block]:
        """Batches from where the progress begins to where it ends, some made ahead."""


class Passes(Protocol):
    """How far batches were taken: `Progress`, or what does as it does."""

    def begin(self) -> Any:
        """Begins a pass; says where."""

    def last_epoch(self) -> Any:
        """Where the pass ends."""

    def state(self) -> dict[str, Any]:
        """Where the pass is."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Lets the next pass begin where a state was taken."""


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
    epochs = feeding.epochs
    length = None if epochs is None else blocks.per_epoch * epochs

    def progress(taken: Callable[[], int]) -> Progress:
        return Progress(identity, blocks.per_epoch, epochs, taken)

    return resumable(blocks, progress, feeding, maps, length)


def resumable(
    blocks: Ahead,
    progress_of: Callable[[Callable[[], int]], Passes],
    feeding: Feeding,
    maps: Sequence[Map],
    length: int | None,
) -> Any:
    """A dataset of batches from anywhere.

    Args:
        blocks: Where batches come from.
        progress_of: Makes the passes, given how many batches were taken.
        feeding: What was asked for.
        maps: Functions of TensorFlow, in order.
        length: Batches of a pass; None: without end; `UNKNOWN`: nobody knows.
    """
    tf, prefetch = tensorflow(), feeding.prefetch
    counter = _apart(_counter)
    progress = progress_of(lambda: int(counter.numpy()))

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
    # `unbatch` is the same as `flat_map` without maps, but one kernel and no function to trace.
    made = (
        made.flat_map(functools.partial(_batches, maps=maps, size=rows)) if maps else made.unbatch()
    )
    if maps and prefetch:
        made = made.prefetch(prefetch)
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_optimization.inject_prefetch = False
    options.autotune.enabled = bool(maps)
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


def _batches(*block: Any, maps: Sequence[Map], size: int | None) -> Any:
    # From here on a block is one element; nothing crosses its ends, so neither do batches epochs' ends.
    tf = tensorflow()
    value = block if len(block) > 1 else block[0]
    made = tf.data.Dataset.from_tensor_slices(value)
    # Where all batches are full, their size is known when a model is built.
    rows = size or tf.shape(tf.nest.flatten(value)[0], out_type=tf.int64)[1]
    for function in maps:
        if isinstance(function, Batched):
            made = made.map(function)
        else:
            made = made.unbatch().map(function, num_parallel_calls=tf.data.AUTOTUNE)
            made = made.batch(rows, drop_remainder=size is not None)
    return made


def _apart(make: Callable[[], Any]) -> Any:
    """What is made outside whatever strategy, device and function the caller is in.

    A strategy gives every device a copy of a variable, which a dataset cannot count in. It, and all
    the like, is TensorFlow's of one thread; another thread is outside.
    """
    with ThreadPoolExecutor(1, "labelmill-counter") as other:
        return other.submit(make).result()


def _counter() -> Any:
    tf = tensorflow()
    with tf.device("/CPU:0"):
        return tf.Variable(0, dtype=tf.int64, trainable=False)


def _counted(made: Any, counter: Any) -> Any:
    """The dataset's variant tensor with a count of what is taken, behind everything that reads ahead."""
    tf = tensorflow()

    def count(*batch: Any) -> Any:
        counter.assign_add(1)
        return batch

    flat = tf.nest.flatten(made.element_spec)
    function = _apart(
        tf.function(count, input_signature=flat, autograph=False).get_concrete_function
    )
    # By the raw operation, because only that runs a function in the calling thread: a hop to another
    # one costs more than everything else that happens to a batch.
    return tf.raw_ops.MapDataset(
        input_dataset=made._variant_tensor,
        other_arguments=function.captured_inputs,
        f=function,
        output_types=[spec.dtype for spec in flat],
        output_shapes=[spec.shape for spec in flat],
        use_inter_op_parallelism=False,
    )


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
            length: Batches of a pass; None: without end; `UNKNOWN`.
        """

        def __init__(self, made: Any, progress: Passes, counter: Any, length: int | None) -> None:
            self._made, self._progress, self._counter = made, progress, counter
            self._length = length
            super().__init__(_counted(made, counter))

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
            if self._length is None or self._length == UNKNOWN:
                raise TypeError("batches without an end that is known have no length")
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

"""A loop in Python over a dataset, without a call into TensorFlow for each batch.

Entering ``tf.data``'s iterator costs such a loop more than the batch itself. Here a whole block becomes
tensors at once: TensorFlow takes over its arrays and cuts the batches out of them, without copying.

Only public parts of TensorFlow are used: DLPack, ``tf.data.Iterator`` as an abstract class, and the
tracing protocol of ``tf.function`` (``tf.types.experimental.SupportsTracingProtocol``).
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import ALIGNED, empty
from labelmill.feed.batches.blocks import Block
from labelmill.feed.maps.elements import map_arrays, stack_elements
from labelmill.learning.runtime import import_tensorflow

_SHARED = "iuf"
"""Kinds of dtypes whose memory TensorFlow can take over: integers, unsigned integers, floats."""


class EagerDataset(Protocol):
    """A dataset that Python or TensorFlow can iterate over."""

    @property
    def element_spec(self) -> Any:
        """Structure, shapes and dtypes of a batch, as ``tf.TensorSpec``."""

    def blocks(self) -> Iterator[list[Any]]:
        """Begins a pass; yields the batches of one block after the other."""

    def count(self) -> None:
        """Counts a batch that Python took."""

    def remaining(self, trips: Callable[[], Iterator[Any]] | None) -> Any:
        """TensorFlow's own iterator over the rest of a pass, which `trips` yields block by block.

        None: over a whole pass, which this begins.
        """


class EagerIterator:
    """The batches of one pass, for Python until TensorFlow asks for them.

    TensorFlow asks when the iterator is an argument of a ``tf.function``, as with Keras, or when its
    ``get_next`` is called in one. Then its own iterator takes over where Python stopped, and stands
    in for this one from then on. Safe to share between threads.

    Args:
        dataset: What to iterate over. This begins a pass.
    """

    def __init__(self, dataset: EagerDataset) -> None:
        _register()
        self._tensorflow = import_tensorflow()
        self._dataset, self._blocks = dataset, dataset.blocks()
        self._block: Iterator[Any] = iter(())  # what is left of the current block
        self._begun = False
        self._successor: Any = None
        self._lock = threading.Lock()

    @property
    def element_spec(self) -> Any:
        """Structure, shapes and dtypes of a batch, as ``tf.TensorSpec``."""
        return self._dataset.element_spec

    def __iter__(self) -> EagerIterator:
        """Itself.

        Raises:
            TypeError: Within a ``tf.function`` that the iterator is no argument of. AutoGraph would
                run the loop in Python, while it traces, without end.
        """
        if not self._tensorflow.executing_eagerly():
            raise TypeError(
                "a loop in a tf.function over an iterator that was made outside of it; expected the "
                "iterator as an argument of the function, or a loop over the dataset"
            )
        return self

    def __next__(self) -> Any:
        """The next batch.

        Raises:
            StopIteration: There is none.
        """
        if self._successor is None and self._tensorflow.executing_eagerly():
            with self._lock:
                if self._successor is None:
                    return self._take()
        return next(self._hand_over())

    def get_next(self) -> Any:
        """The next batch.

        Raises:
            tf.errors.OutOfRangeError: There is none.
        """
        tf = self._tensorflow
        if not tf.executing_eagerly():
            return self._hand_over().get_next()
        try:
            return next(self)
        except StopIteration:
            raise tf.errors.OutOfRangeError(None, None, "End of sequence") from None

    def get_next_as_optional(self) -> Any:
        """The next batch as ``tf.experimental.Optional``, without a value at the end."""
        return self._hand_over().get_next_as_optional()

    def __tf_tracing_type__(self, context: object) -> Any:
        """A ``tf.function`` is traced as for any iterator of such batches."""
        return self._tensorflow.data.IteratorSpec(self.element_spec)

    def __getattr__(self, name: str) -> Any:
        # What TensorFlow breaks an iterator down into, its own iterator has.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._hand_over(), name)

    def _take(self) -> Any:
        self._begun = True
        batch = next(self._block, None)
        if batch is None:
            self._block = iter(next(self._blocks))
            batch = next(self._block)
        self._dataset.count()
        return batch

    def _hand_over(self) -> Any:
        """TensorFlow's own iterator over what is left of the pass."""
        if self._successor is None:
            with self._lock, self._tensorflow.init_scope():
                if self._successor is None:
                    # The same pass, whatever others were begun or restored since.
                    trips = functools.partial(_remaining, weakref.ref(self))
                    self._successor = self._dataset.remaining(trips if self._begun else None)
        return self._successor


@functools.cache
def _register() -> None:
    # Keras hands an iterator to a `tf.function` only where it is one of these.
    import_tensorflow().data.Iterator.register(EagerIterator)


def tensors_of(block: Block) -> list[Any]:
    """The batches of a block as tensors in main memory, which share the block's memory."""
    tf = import_tensorflow()
    columns: list[Any] = []

    def column(leaf: npt.NDArray[Any]) -> int:
        batches = leaf.reshape(block.batches, block.size, *leaf.shape[1:])
        columns.append(tf.unstack(_tensor(batches)))
        return len(columns) - 1

    with tf.device("/CPU:0"):
        numbered = map_arrays(block.rows.element(), column)
    return [
        map_arrays(numbered, functools.partial(_batch, columns, number))
        for number in range(block.batches)
    ]


def _batch(columns: Sequence[Any], number: int, column: int) -> Any:
    return columns[column][number]


def _tensor(leaf: npt.NDArray[Any]) -> Any:
    tf = import_tensorflow()
    if leaf.dtype.kind not in _SHARED or not leaf.dtype.isnative or not leaf.size:
        return tf.constant(leaf)
    # TensorFlow aborts the process when memory that it takes over is not aligned.
    if leaf.ctypes.data % ALIGNED or not leaf.flags.carray:
        leaf, given = empty(leaf.shape, leaf.dtype), leaf
        np.copyto(leaf, given)
    return tf.experimental.dlpack.from_dlpack(leaf.__dlpack__())


def _remaining(reference: weakref.ref[EagerIterator]) -> Iterator[Any]:
    """Batches that an iterator has left, many in one trip.

    The iterator holds them, then this generator: TensorFlow never lets go of a function it was given.
    """
    iterator = reference()
    if iterator is None:
        return
    block, blocks = iterator._block, iterator._blocks
    iterator._block = iterator._blocks = iter(())
    del iterator
    left = list(block)
    if left:
        yield stack_elements(left)
    del left, block
    for batches in blocks:
        yield stack_elements(batches)

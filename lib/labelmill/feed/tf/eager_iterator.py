"""A loop in Python over a dataset, without a call into TensorFlow for each batch.

Entering ``tf.data``'s iterator costs such a loop more than the batch itself. Here a block becomes tensors
in one go: TensorFlow takes its arrays over and cuts the batches out of them, without a copy of either.
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
from labelmill.feed.maps.elements import shaped, together
from labelmill.learning.runtime import unset_tensorflow as tensorflow

_TAKEN_OVER = "iuf"
"""Kinds of dtypes that TensorFlow takes over as they lie in memory."""

_RESOURCE = "_iterator_resource"

_ITS_OWN = frozenset((
    _RESOURCE, "_dataset", "_element_spec", "_flat_output_types", "_flat_output_shapes",
    "_get_next_call_count",
))  # fmt: skip
"""What TensorFlow's iterator has once it is made."""


class Looping(Protocol):
    """A dataset that can be taken in Python, and by TensorFlow."""

    @property
    def element_spec(self) -> Any:
        """What a batch is."""

    def looped(self) -> Iterator[list[Any]]:
        """A pass, block by block: the batches of each."""

    def count(self) -> None:
        """One more batch was taken in Python."""

    def rest(self, trips: Callable[[], Iterator[Any]]) -> Any:
        """A dataset of TensorFlow of what is left of a pass."""


def tensors_of(block: Block) -> list[Any]:
    """The batches of a block as tensors, in the main memory.

    Whoever keeps one of them keeps the block's memory.
    """
    tf = tensorflow()
    columns: list[Any] = []

    def column(leaf: npt.NDArray[Any]) -> int:
        batches = leaf.reshape(block.batches, block.size, *leaf.shape[1:])
        columns.append(tf.unstack(_tensor(batches)))
        return len(columns) - 1

    with tf.device("/CPU:0"):
        numbered = shaped(block.rows.element(), column)
    return [
        shaped(numbered, functools.partial(_batch, columns, number))
        for number in range(block.batches)
    ]


def _batch(columns: Sequence[Any], number: int, place: int) -> Any:
    return columns[place][number]


def _tensor(leaf: npt.NDArray[Any]) -> Any:
    tf = tensorflow()
    if leaf.dtype.kind not in _TAKEN_OVER or not leaf.dtype.isnative or not leaf.size:
        return tf.constant(leaf)
    # TensorFlow ends the process when memory that it takes over is not aligned.
    if leaf.ctypes.data % ALIGNED or not leaf.flags.carray:
        leaf, given = empty(leaf.shape, leaf.dtype), leaf
        np.copyto(leaf, given)
    return tf.experimental.dlpack.from_dlpack(leaf.__dlpack__())


def _rest(of: weakref.ref[Any]) -> Iterator[Any]:
    """Batches that an iterator has left, many in one trip.

    They are held by the iterator, then by this: TensorFlow never lets go of functions that it was given.
    """
    iterator = of()
    if iterator is None:
        return
    block, blocks = iterator._block, iterator._blocks
    iterator._block = iterator._blocks = iter(())
    del iterator
    left = list(block)
    if left:
        yield together(left)
    del left, block
    for batches in blocks:
        yield together(batches)


@functools.cache
def iterator_class() -> Callable[[Looping], Iterator[Any]] | None:
    """The class of `iter()` of a dataset in Python; None where TensorFlow has none that it can follow."""
    try:
        from tensorflow.python.data.ops.iterator_ops import OwnedIterator
    except ImportError:  # no public name; without it a loop is slower
        return None
    tf = tensorflow()

    class FedIterator(OwnedIterator):  # type: ignore[misc]
        """Batches for Python, until TensorFlow asks for them.

        It does so when the iterator is given to a `tf.function`, as Keras does. What TensorFlow's
        iterator consists of is made when it is first looked for, and goes on where Python was.
        """

        def __init__(self, dataset: Looping) -> None:
            self._fed, self._blocks = dataset, dataset.looped()
            self._block: Iterator[Any] = iter(())  # what is left of the one in use
            self._begun = False
            # Several threads may take batches of one iterator of TensorFlow.
            self._lock = threading.Lock()

        def __getattr__(self, name: str) -> Any:
            if name not in _ITS_OWN:
                raise AttributeError(name)
            self._hand_over()
            return getattr(self, name)

        @property
        def element_spec(self) -> Any:
            return self._fed.element_spec

        def __next__(self) -> Any:
            if _RESOURCE in self.__dict__ or not tf.executing_eagerly():
                return super().__next__()
            with self._lock:
                if _RESOURCE not in self.__dict__:
                    self._begun = True
                    batch = next(self._block, None)
                    if batch is None:
                        self._block = iter(next(self._blocks))
                        batch = next(self._block)
                    self._fed.count()
                    return batch
            return super().__next__()

        def get_next(self) -> Any:
            if _RESOURCE in self.__dict__ or not tf.executing_eagerly():
                return super().get_next()
            try:
                return next(self)
            except StopIteration:
                raise tf.errors.OutOfRangeError(None, None, "End of sequence") from None

        def _hand_over(self) -> None:
            with self._lock, tf.init_scope():
                if _RESOURCE in self.__dict__:
                    return
                given: Any = self._fed
                if self._begun:
                    # The same pass, whatever others were begun or restored since.
                    given = given.rest(functools.partial(_rest, weakref.ref(self)))
                super().__init__(given)

    return FedIterator

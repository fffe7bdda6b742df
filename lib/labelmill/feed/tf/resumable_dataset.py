"""The ``tf.data.Dataset`` that knows how far it was read, by TensorFlow or by a loop in Python."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from labelmill.feed.batches.state import Passes, Resumable
from labelmill.feed.tf.eager_iterator import EagerIterator
from labelmill.learning.runtime import import_tensorflow

UNKNOWN = -2
"""Length of a dataset that ends, but not after a known number of batches (TensorFlow's constant for it)."""


class BatchCounter:
    """Batches read since the dataset was made: TensorFlow counts in a variable, Python in `in_python`."""

    def __init__(self) -> None:
        self.in_python = 0
        self._variable: Any = None

    @property
    def variable(self) -> Any:
        """An int64 variable, made when TensorFlow begins to count."""
        if self._variable is None:
            self._variable = _run_outside(_counter)
        return self._variable

    def __call__(self) -> int:
        """All of them."""
        counted = 0 if self._variable is None else int(self._variable.numpy())
        return counted + self.in_python


def _run_outside(make: Callable[[], Any]) -> Any:
    """Calls a function outside the caller's strategy, device and ``tf.function``.

    A strategy gives every device a copy of a variable, and a dataset cannot count in that. TensorFlow
    keeps strategies and the like for each thread, so another thread is outside of them.
    """
    with ThreadPoolExecutor(1, "labelmill-counter") as other:
        return other.submit(make).result()


def _counter() -> Any:
    tf = import_tensorflow()
    with tf.device("/CPU:0"):
        return tf.Variable(0, dtype=tf.int64, trainable=False)


def _counted(made: Any, counter: Any) -> Any:
    """The dataset's variant tensor with a count of its batches, behind everything that reads ahead."""
    tf = import_tensorflow()

    def count(*batch: Any) -> Any:
        counter.assign_add(1)
        return batch

    flat = tf.nest.flatten(made.element_spec)
    function = _run_outside(
        tf.function(count, input_signature=flat, autograph=False).get_concrete_function
    )
    # The raw operation, because only that runs a function in the calling thread: a hop to another
    # thread costs more than everything else that happens to a batch.
    return tf.raw_ops.MapDataset(
        input_dataset=made._variant_tensor,
        other_arguments=function.captured_inputs,
        f=function,
        output_types=[spec.dtype for spec in flat],
        output_shapes=[spec.shape for spec in flat],
        use_inter_op_parallelism=False,
    )


@functools.cache
def dataset_class() -> Any:
    """`ResumableDataset`. A function, so that TensorFlow is imported only when it is needed."""
    tf = import_tensorflow()

    class ResumableDataset(Resumable, tf.data.Dataset):  # type: ignore[misc, name-defined]
        """Batches of a training set: a ``tf.data.Dataset`` that knows how far it was read.

        TensorFlow's own dataset is traced when it is first used: a loop in Python does without.

        Args:
            make: Makes TensorFlow's dataset, of passes or of the trips that it is given.
            spec: Structure, shapes and dtypes of a batch.
            progress: The passes.
            counter: Counts batches; kept alive here.
            length: Batches of a pass; None: unbounded; or `UNKNOWN`.
            blocks: Begins a pass; yields blocks, lists of batches as tensors, for a loop in Python.
                None: loops in Python use TensorFlow's iterator.
        """

        def __init__(
            self,
            make: Callable[..., Any],
            spec: Any,
            progress: Passes,
            counter: BatchCounter,
            length: int | None,
            blocks: Callable[[], Iterator[list[Any]]] | None,
        ) -> None:
            self._make, self._spec, self._progress, self._batch_counter = (
                make,
                spec,
                progress,
                counter,
            )
            self._length, self._blocks = length, blocks
            self._tracing = threading.RLock()
            if blocks is None:
                self._trace()

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("__"):
                with self._tracing:  # other threads wait until it is complete
                    if "_made" not in self.__dict__:
                        self._trace()
            return object.__getattribute__(self, name)

        def __deepcopy__(self, memo: object) -> Any:
            raise TypeError("a resumable dataset cannot be copied; create another one")

        def _trace(self) -> None:
            """Makes TensorFlow's dataset, outside any function that is being traced."""
            with tf.init_scope():
                made = self._make()
                counted = _counted(made, self._batch_counter.variable)
                self._made, self._spec = made, made.element_spec  # after maps of TensorFlow
                super().__init__(counted)

        def _inputs(self) -> list[Any]:
            return [self._made]

        @property
        def element_spec(self) -> Any:
            return self._spec

        def __iter__(self) -> Iterator[Any]:
            if self._blocks is None or not tf.executing_eagerly():
                return super().__iter__()  # type: ignore[no-any-return]
            return EagerIterator(self)

        def blocks(self) -> Iterator[list[Any]]:
            """Begins a pass for a loop in Python; yields the batches of one block after the other."""
            assert self._blocks is not None
            return self._blocks()

        def count(self) -> None:
            """Counts a batch that Python took."""
            self._batch_counter.in_python += 1

        def remaining(self, trips: Callable[[], Iterator[Any]] | None) -> Iterator[Any]:
            """TensorFlow's own iterator over the rest of a pass; `trips` None: over a whole one."""
            if trips is None:
                return super().__iter__()  # type: ignore[no-any-return]
            make = functools.partial(self._make, trips)
            rest = ResumableDataset(
                make, self._spec, self._progress, self._batch_counter, self._length, None
            )
            return iter(rest)

        def cardinality(self) -> Any:
            """Batches of a whole pass; a resumed pass has fewer."""
            known = tf.data.INFINITE_CARDINALITY if self._length is None else self._length
            return tf.constant(known, tf.int64)

        def __len__(self) -> int:
            if self._length is None or self._length == UNKNOWN:
                raise TypeError("batches of an endless stream have no length")
            return self._length

    return ResumableDataset

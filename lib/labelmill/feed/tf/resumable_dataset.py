"""The ``tf.data.Dataset`` that knows how far it was taken, by TensorFlow or by a loop in Python."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from labelmill.feed.batches.state import Passes, Resumable
from labelmill.feed.tf.eager_iterator import iterator_class
from labelmill.learning.runtime import unset_tensorflow as tensorflow

UNKNOWN = -2
"""Length of what ends, nobody knows when (TensorFlow's own number for it)."""


class Taken:
    """How many batches were taken since ever: a variable counts TensorFlow's, a number Python's."""

    def __init__(self) -> None:
        self.in_python = 0
        self._variable: Any = None

    @property
    def variable(self) -> Any:
        """Made when TensorFlow begins to count."""
        if self._variable is None:
            self._variable = _apart(_counter)
        return self._variable

    def __call__(self) -> int:
        """All of them."""
        counted = 0 if self._variable is None else int(self._variable.numpy())
        return counted + self.in_python


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


@functools.cache
def dataset_class() -> Any:
    """The class; TensorFlow is imported when it is first needed."""
    tf = tensorflow()

    class FedDataset(Resumable, tf.data.Dataset):  # type: ignore[misc, name-defined]
        """Batches of a training set: a ``tf.data.Dataset`` that knows how far it was taken.

        What TensorFlow's dataset consists of is traced when it is first looked for: a loop in Python
        does without.

        Args:
            make: Makes the dataset, of passes or of the trips it is given.
            spec: What a batch is.
            progress: Its passes.
            taken: Counts batches; kept alive here.
            length: Batches of a pass; None: without end; `UNKNOWN`.
            looped: Blocks of a pass, lists of batches as tensors, for a loop in Python; None:
                TensorFlow's iterator.
        """

        def __init__(
            self,
            make: Callable[..., Any],
            spec: Any,
            progress: Passes,
            taken: Taken,
            length: int | None,
            looped: Callable[[], Iterator[list[Any]]] | None,
        ) -> None:
            self._make, self._spec, self._progress, self._taken = make, spec, progress, taken
            self._length, self._looped = length, looped
            self._becoming = threading.RLock()
            if looped is None:
                self._become()

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("__"):
                with self._becoming:  # others wait until it is whole
                    if "_made" not in self.__dict__:
                        self._become()
            return object.__getattribute__(self, name)

        def __deepcopy__(self, memo: object) -> Any:
            raise TypeError("a dataset that knows how far it was taken has no copy; make it anew")

        def _become(self) -> None:
            """Makes TensorFlow's dataset, outside any function that is being traced."""
            with tf.init_scope():
                made = self._make()
                counted = _counted(made, self._taken.variable)
                self._made, self._spec = made, made.element_spec  # after maps of TensorFlow
                super().__init__(counted)

        def _inputs(self) -> list[Any]:
            return [self._made]

        @property
        def element_spec(self) -> Any:
            return self._spec

        def __iter__(self) -> Iterator[Any]:
            made = iterator_class()
            if self._looped is None or made is None or not tf.executing_eagerly():
                return super().__iter__()  # type: ignore[no-any-return]
            return made(self)

        def looped(self) -> Iterator[list[Any]]:
            """A pass for a loop in Python, block by block."""
            assert self._looped is not None
            return self._looped()

        def count(self) -> None:
            """One more batch was taken in Python."""
            self._taken.in_python += 1

        def rest(self, trips: Callable[[], Iterator[Any]]) -> Any:
            """What is left of a pass, for TensorFlow; counted with all the others."""
            make = functools.partial(self._make, trips)
            return FedDataset(make, self._spec, self._progress, self._taken, self._length, None)

        def cardinality(self) -> Any:
            """Batches of a whole pass; the rest of a resumed one has fewer."""
            known = tf.data.INFINITE_CARDINALITY if self._length is None else self._length
            return tf.constant(known, tf.int64)

        def __len__(self) -> int:
            if self._length is None or self._length == UNKNOWN:
                raise TypeError("batches without an end that is known have no length")
            return self._length

    return FedDataset

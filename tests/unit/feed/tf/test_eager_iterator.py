"""A Python loop takes batches and TensorFlow continues, or the other way round."""

from __future__ import annotations

import copy
import gc
import importlib.util
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelmill.feed.batches.blocks import Block
from labelmill.feed.maps.base import RowArrays
from labelmill.feed.maps.functions import arrays
from labelmill.feed.order.counter_rng import Draws
from labelmill.feed.tf import resumable_dataset
from labelmill.feed.tf.eager_iterator import tensors_of
from tests.helpers.training_sets import number_of, numbered

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install 'labelmill[train]'",
    ),
]


@pytest.fixture
def tf() -> Any:
    from labelmill.learning.runtime import tensorflow

    return tensorflow()


@pytest.fixture
def entered(tf: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Calls to TensorFlow's own iterator."""
    from tensorflow.python.ops import gen_dataset_ops

    calls: list[Any] = []
    own = gen_dataset_ops.iterator_get_next
    monkeypatch.setattr(
        gen_dataset_ops, "iterator_get_next", lambda *a, **k: calls.append(a) or own(*a, **k)
    )
    return calls


def taken(batches: Any) -> list[int]:
    return [n for images, _ in batches for n in number_of(np.asarray(images))]


def test_a_loop_does_not_enter_tensorflow_for_each_batch(tmp_path: Path, entered: Any) -> None:
    dataset = numbered(tmp_path).tf(8)
    assert sorted(taken(dataset)) == list(range(100))
    assert not entered
    doubled = dataset.map(lambda x, y: (x, y * 2))
    assert sorted(taken(doubled)) == list(range(100))
    assert entered


@pytest.mark.parametrize("before", [0, 1, 5, 13])
def test_tensorflow_continues_where_a_loop_stopped(tmp_path: Path, tf: Any, before: int) -> None:
    frozen = numbered(tmp_path)
    expected = taken(frozen.tf(8))
    dataset = frozen.tf(8)
    iterator = iter(dataset)
    got = taken(itertools.islice(iterator, before))

    @tf.function
    def take(coming: Any) -> Any:
        return next(coming)

    def rest() -> Any:
        while True:
            try:
                yield take(iterator)
            except tf.errors.OutOfRangeError:
                return

    assert got + taken(rest()) == expected
    assert (dataset.state()["epoch"], dataset.state()["batch"]) == (1, 0)
    assert taken(dataset) != expected  # the next epoch


def test_an_outer_iterator_is_consumed_inside_a_function(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    iterator = iter(frozen.tf(8, shuffle=False))
    first = number_of(next(iterator)[0].numpy())

    @tf.function
    def two() -> Any:
        return next(iterator)[0], iterator.get_next()[0]

    assert first + [n for images in two() for n in number_of(images.numpy())] == list(range(24))
    assert number_of(next(iterator)[0].numpy()) == list(range(24, 32))


def test_a_function_with_a_signature_takes_either_iterator(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    dataset = frozen.tf(8, shuffle=False)

    @tf.function(input_signature=[tf.data.IteratorSpec(dataset.element_spec)])
    def take(iterator: Any) -> Any:
        return next(iterator)

    ours, tensorflows = iter(dataset), iter(frozen.tf(8, shuffle=False).map(lambda *b: b))
    assert isinstance(ours, tf.data.Iterator)
    assert taken([next(ours), take(ours), next(ours)]) == list(range(24))
    assert taken([take(tensorflows)]) == list(range(8))
    assert len(tf.nest.flatten(ours, expand_composites=True)) == 1


def test_a_loop_within_a_function_needs_the_iterator_as_argument(tmp_path: Path, tf: Any) -> None:
    """Else AutoGraph runs it in Python, without end."""
    frozen = numbered(tmp_path)

    def total(batches: Any) -> Any:
        rows = tf.constant(0)
        for images, _ in batches:
            rows += tf.shape(images)[0]
        return rows

    iterator = iter(frozen.tf(8))
    next(iterator)
    assert int(tf.function(total)(iterator)) == 92
    captured = iter(frozen.tf(8))
    with pytest.raises(TypeError, match="expected the iterator as an argument of the function"):
        tf.function(lambda: total(captured))()
    assert sorted(taken(captured)) == list(range(100)), "nothing was taken"


def test_keras_runs_several_steps_in_one_call(tmp_path: Path, tf: Any) -> None:
    dataset = numbered(tmp_path).tf(8)
    model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(3)])
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, steps_per_execution=5)
    model.fit(dataset, epochs=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 26
    assert (dataset.state()["epoch"], dataset.state()["batch"]) == (2, 0)


def test_an_iterator_stays_in_its_pass(tmp_path: Path, tf: Any) -> None:
    """Whatever passes were begun, and states restored, between a loop and TensorFlow."""
    frozen = numbered(tmp_path)
    batches = frozen.numpy(8)
    first, second = taken(batches), taken(batches)
    take = tf.function(lambda coming: next(coming))
    dataset = frozen.tf(8)
    one = iter(dataset)
    got = taken(itertools.islice(one, 3))
    beginning = dataset.state()
    other = iter(dataset)
    assert taken(itertools.islice(other, 2)) == second[:16]
    dataset.restore(beginning | {"epoch": 0, "batch": 0})
    got += taken(take(one) for _ in range(4))
    assert got + taken(one) == first
    assert taken([take(other)]) + taken(other) == second[16:]
    again = iter(frozen.tf(8, map=arrays(records_like)))
    expected = frozen.numpy(8, map=arrays(records_like))
    for mine, theirs in zip([next(again), take(again), next(again)], expected, strict=False):
        tf.nest.map_structure(np.testing.assert_array_equal, mine, theirs)


def records_like(images: Any, classes: Any) -> Any:
    text = np.array([f"text {n}".encode() for n in classes], object)
    return {"text": text, "more": (images, classes > 1)}, classes


def test_an_iterator_that_is_broken_off_in_tensorflow_leaves_no_thread(
    tmp_path: Path, tf: Any
) -> None:
    before = set(threading.enumerate())
    iterator = iter(numbered(tmp_path).tf(1, repeat=True, prefetch=3))
    next(iterator)
    tf.function(lambda coming: next(coming))(iterator)
    assert reading(before)
    del iterator
    gc.collect()
    for thread in reading(before):
        thread.join(10)
    assert not reading(before)


def reading(before: set[threading.Thread]) -> list[threading.Thread]:
    now = set(threading.enumerate()) - before
    return [one for one in now if one.name == "labelmill-read-ahead"]


def test_threads_take_the_batches_of_one_iterator(tmp_path: Path) -> None:
    dataset = numbered(tmp_path).tf(1, repeat=3)
    iterator = iter(dataset)
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda _: taken(iterator), range(4)))
    assert sorted(n for part in parts for n in part) == sorted(list(range(100)) * 3)
    assert dataset.state()["epoch"] == 3


def test_threads_wait_until_tensorflows_part_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, tracing = resumable_dataset._counted, threading.Event()

    def slow(*given: Any) -> Any:
        tracing.set()
        time.sleep(0.3)
        return own(*given)

    monkeypatch.setattr(resumable_dataset, "_counted", slow)
    dataset = numbered(tmp_path).tf(8)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(dataset.take, 1)
        assert tracing.wait(10)
        second = threads.submit(dataset.take, 2)
        assert [sum(1 for _ in one.result()) for one in (first, second)] == [1, 2]


def test_a_deep_copy_is_refused(tmp_path: Path) -> None:
    """The copy would keep its own count, but read on from where the original is."""
    dataset = numbered(tmp_path).tf(8)
    with pytest.raises(TypeError, match="cannot be copied; create another one"):
        copy.deepcopy(dataset)
    assert len(taken(copy.copy(dataset))) == 100
    assert dataset.state()["epoch"] == 1


def test_the_end_raises_what_tensorflow_raises(tmp_path: Path, tf: Any) -> None:
    dataset = numbered(tmp_path).tf(64)
    iterator = iter(dataset)
    assert iterator.element_spec == dataset.element_spec
    assert sum(len(iterator.get_next()[0]) for _ in range(2)) == 100
    with pytest.raises(tf.errors.OutOfRangeError):
        iterator.get_next()
    assert next(iterator, None) is None
    assert not iterator.get_next_as_optional().has_value()


def test_what_an_epoch_gave_may_be_kept(tmp_path: Path) -> None:
    """Batches share memory with each other, and with nothing that is used again."""
    frozen = numbered(tmp_path)
    kept = list(frozen.tf(8, cache=True, repeat=3, prefetch=1))
    assert taken(kept) == taken(frozen.numpy(8, repeat=3))


def test_an_error_of_a_map_is_the_maps_own(tmp_path: Path) -> None:
    def odd(images: Any, classes: Any) -> Any:
        if len(images) > 1 and (classes == 2).any():
            raise KeyError("odd")
        return images, classes

    with pytest.raises(KeyError, match="odd"):
        list(numbered(tmp_path).tf(8, map=arrays(odd)))


@pytest.mark.parametrize(
    "leaf",
    [
        np.arange(6 * 5, dtype=np.float32).reshape(6, 5),
        np.arange(6 * 16, dtype=np.int64).reshape(6, 16),
        np.arange(24, dtype=np.float16).reshape(6, 4)[:, ::2],
        np.frombuffer(b"read-only   ", np.uint16),
        np.arange(7, dtype=np.float64)[1:],
        np.arange(6).astype(">i4"),
        np.array([True, False] * 3),
        np.array(["a", b"b", "ä", "", "e", "f"], object),
        np.zeros((6, 0), np.float32),
    ],
    ids=lambda leaf: f"{leaf.dtype}{leaf.shape}",
)
def test_any_array_becomes_tensors(tf: Any, leaf: Any) -> None:
    draws = Draws(0, 0, np.arange(6, dtype=np.uint64))
    element = {"one": leaf, "more": ({"again": leaf},)}
    batches = tensors_of(Block(RowArrays(element, None, False, draws), 2, 3))
    got = np.concatenate([batch["one"].numpy() for batch in batches])
    expected = tf.constant(leaf).numpy()
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype
    tf.nest.map_structure(np.testing.assert_array_equal, batches[1]["more"][0]["again"], got[2:4])


def test_tensorflow_makes_its_part_when_it_is_asked(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    dataset = frozen.tf(8, drop_remainder=True)
    expected = taken(frozen.numpy(8, drop_remainder=True))

    @tf.function
    def total() -> Any:
        found = tf.constant(0, tf.int64)
        for images, _ in dataset:  # looked at for the first time while this is traced
            found += tf.cast(images[0, 0, 1, 0], tf.int64)
        return found

    assert int(total()) == sum(n for n in expected[::8])
    assert dataset.state()["epoch"] == 1
    assert dataset.element_spec == frozen.tf(8, drop_remainder=True).map(lambda *b: b).element_spec
    assert not hasattr(dataset, "no_such_thing")

"""Batches that a loop in Python takes, and TensorFlow goes on with, or the other way round."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelmill.feed.blocks import Block
from labelmill.feed.draws import Draws
from labelmill.feed.loops import tensors_of
from labelmill.feed.maps import Rows, arrays
from tests.unit.feed.sets import number_of, numbered

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
def test_tensorflow_goes_on_where_a_loop_was(tmp_path: Path, tf: Any, before: int) -> None:
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


def test_an_iterator_of_outside_is_taken_inside_a_function(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    iterator = iter(frozen.tf(8, shuffle=False))
    first = number_of(next(iterator)[0].numpy())

    @tf.function
    def two() -> Any:
        return next(iterator)[0], iterator.get_next()[0]

    assert first + [n for images in two() for n in number_of(images.numpy())] == list(range(24))
    assert number_of(next(iterator)[0].numpy()) == list(range(24, 32))


def test_the_end_is_said_as_tensorflow_says_it(tmp_path: Path, tf: Any) -> None:
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
    batches = tensors_of(Block(Rows(element, None, False, draws), 2, 3))
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

"""What comes out of a training set, as a tf.data.Dataset."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelmill.errors import InputError, NoData
from labelmill.feed.maps.augment import crop, flip, noise
from labelmill.feed.maps.functions import arrays, batched
from labelmill.feed.maps.preparation import prepared
from labelmill.feed.training_set import TrainingSet
from tests.helpers.forks import Forks
from tests.helpers.training_sets import image_row, number_of, numbered, scattered, write
from tests.unit.feed.batches.test_batches import FEATURES, records, two_inputs

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install 'labelmill[train]'",
    ),
]

ROOT = Path(__file__).parents[4]


@pytest.fixture
def tf() -> Any:
    from labelmill.learning.runtime import tensorflow

    return tensorflow()


def numbers(batches: Any) -> list[int]:
    return [n for images, _ in batches for n in number_of(np.asarray(images))]


def equal(one: Any, other: Any) -> bool:
    pairs = zip(one, other, strict=True)
    return all(
        all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(x, y, strict=True))
        for x, y in pairs
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shuffle": False},
        {"seed": 3, "drop_remainder": True},
        {"balance": True, "prefetch": 0},
        {"map": (flip(), noise()), "repeat": 2},
        {"cache": prepared([])},
    ],
    ids=str,
)
def test_batches_are_those_of_numpy_epoch_by_epoch(
    tmp_path: Path, tf: Any, options: dict[str, Any]
) -> None:
    frozen = numbered(tmp_path)
    dataset, arrays_ = frozen.tf(8, **options), frozen.numpy(8, **options)
    assert isinstance(dataset, tf.data.Dataset)
    assert len(dataset) == len(arrays_) == int(dataset.cardinality())
    for _ in range(3):
        assert equal(dataset, arrays_)


def test_what_an_element_is(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path / "one")
    assert frozen.element_spec == (tf.TensorSpec((4, 4, 1), tf.uint8), tf.TensorSpec((), tf.int64))
    assert frozen.tf(8).element_spec[0] == tf.TensorSpec((None, 4, 4, 1), tf.uint8)
    fixed = frozen.tf(8, drop_remainder=True, map=prepared([])).element_spec
    assert fixed == (tf.TensorSpec((8, 4, 4, 1), tf.float32), tf.TensorSpec((8,), tf.int64))
    for one in (lambda x, y: (x, y), batched(lambda x, y: (x, y))):
        assert frozen.tf(8, drop_remainder=True, map=one).element_spec[1].shape == (8,)
    mixed = scattered(tmp_path / "two")
    assert mixed.element_spec[0] == tf.TensorSpec((None, 8, None), tf.uint8)
    with pytest.raises(InputError, match="cannot go into one batch"):
        mixed.tf(8)
    ready = mixed.tf(8, map=(prepared(["grey"]), crop(4, 4)))
    assert {tuple(images.shape[1:]) for images, _ in ready} == {(4, 4, 1)}


def test_an_element_is_one_of_train_unless_another_split_is_named(tmp_path: Path) -> None:
    rows = [
        image_row(n, np.zeros((size, 4, 1), np.uint8), split, **{"class": "a"})
        for n, (split, size) in enumerate([("test", 3), ("train", 5), ("validation", 7)])
    ]
    frozen = TrainingSet.open(write(tmp_path / "all", rows))
    assert frozen.element_spec[0].shape == frozen.spec()[0].shape == (5, 4, 1)
    assert frozen.spec("test")[0].shape == (3, 4, 1)
    assert TrainingSet.open(write(tmp_path / "few", rows[::2])).element_spec[0].shape == (3, 4, 1)
    with pytest.raises(NoData, match="no rows in split 'train'"):
        TrainingSet.open(write(tmp_path / "none", rows[:1])).spec()


def test_functions_of_tensorflow_get_one_row_or_a_batch(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    maps = (
        arrays(lambda x, y: (x.astype(np.float32), y)),
        lambda x, y: (tf.ensure_shape(x, (4, 4, 1)) * 2, y),
        batched(lambda x, y: (x - tf.reduce_max(x[:, 0, 1, 0]), y)),
        lambda x, y: (x + 1, tf.cast(y, tf.float32)),
    )
    dataset = frozen.tf(8, shuffle=False, map=maps)
    got = [images.numpy()[:, 0, 1, 0].tolist() for images, _ in dataset]
    expected = [[float(2 * n) for n in range(s, min(s + 8, 100))] for s in range(0, 100, 8)]
    assert got == [[n - max(batch) + 1 for n in batch] for batch in expected]
    with pytest.raises(InputError, match="put maps over arrays first"):
        frozen.tf(8, map=(lambda x, y: (x, y), flip()))


def test_several_inputs_targets_and_weights_are_those_of_numpy(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    expected = list(frozen.numpy(8, map=arrays(two_inputs)))

    def of_tensors(images: Any, classes: Any) -> Any:
        more = {"first": tf.cast(images[..., :1, :1, 0], tf.float64)}
        return (
            (images, more),
            {"class": classes, "twice": classes * 2},
            tf.cast(classes + 1, tf.float64),
        )

    for one in (arrays(two_inputs), batched(of_tensors), of_tensors):
        dataset = frozen.tf(8, map=one)
        for mine, theirs in zip(dataset, expected, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, mine, theirs)


def test_a_state_resumes_in_mid_epoch(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    options = {"seed": 2, "repeat": 2, "prefetch": 4, "map": flip()}
    whole = list(frozen.tf(8, **options))
    for stop in (1, 5, 13, 17):
        dataset = frozen.tf(8, **options)
        before = list(itertools.islice(dataset, stop))
        state = json.loads(json.dumps(dataset.state()))
        after = frozen.tf(8, **options)
        after.restore(state)
        assert equal(before + list(after), whole)
        assert after.state()["epoch"] == 2


def test_numpy_continues_where_tensorflow_stopped(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    dataset, arrays_ = frozen.tf(8), frozen.numpy(8)
    before = numbers(itertools.islice(dataset, 6))
    arrays_.restore(dataset.state())
    assert sorted(before + numbers(arrays_)) == list(range(100))


def test_batches_taken_inside_tensorflow_are_counted(tmp_path: Path, tf: Any) -> None:
    dataset = numbered(tmp_path).tf(8, repeat=True)

    @tf.function
    def take(iterator: Any) -> None:
        for _ in tf.range(9):
            next(iterator)

    take(iter(dataset))
    assert (dataset.state()["epoch"], dataset.state()["batch"]) == (0, 9)


def test_keras_learns_epoch_by_epoch_and_misses_none(tmp_path: Path, tf: Any) -> None:
    """Keras takes a first batch to build a model: that is a look, no epoch."""
    seen: list[list[int]] = [[]]

    def note(images: Any, classes: Any) -> Any:
        seen[-1].extend(number_of(images))
        return images, classes

    class NextEpoch(tf.keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            seen.append([])

    dataset = numbered(tmp_path).tf(8, map=arrays(note), prefetch=0)
    seen.clear()
    seen.append([])
    model = tf.keras.Sequential([tf.keras.layers.Flatten(), tf.keras.layers.Dense(3)])
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(dataset, epochs=3, shuffle=False, verbose=0, callbacks=[NextEpoch()])
    assert dataset.state()["epoch"] == 3
    orders = [epoch[-100:] for epoch in seen[:3]]
    assert [sorted(order) for order in orders] == [list(range(100))] * 3
    assert len({tuple(order) for order in orders}) == 3


def test_two_iterators_do_not_disturb_each_other(tmp_path: Path, tf: Any) -> None:
    frozen = numbered(tmp_path)
    one, other = iter(frozen.tf(8)), iter(frozen.tf(8))
    alternating = [number_of(next(i)[0].numpy()) for _ in range(5) for i in (one, other)]
    assert alternating[::2] == alternating[1::2]
    both = tf.data.Dataset.zip((frozen.tf(8, seed=1), frozen.tf(8, seed=2)))
    assert sum(1 for _ in both) == 13


def test_records_are_dicts_of_tensors(tmp_path: Path, tf: Any) -> None:
    frozen = records(tmp_path)
    features, _ = frozen.element_spec
    assert [features[n].dtype for n in FEATURES.names] == [
        tf.int32, tf.float64, tf.string, tf.bool, tf.int64, tf.string,
    ]  # fmt: skip
    batches = list(frozen.tf(8, shuffle=False))
    assert list(batches[0][0]) == FEATURES.names
    assert batches[0][0]["job"].numpy().tolist() == [f"job {n}".encode() for n in range(8)]
    assert batches[0][0]["raw"].numpy().tolist() == [bytes([n]) for n in range(8)]
    ages = np.concatenate([f["age"] for f, _ in batches])
    assert ages.tolist() == list(range(50))


def test_another_process_gets_the_same_batches(tmp_path: Path, tensorflow_forks: Forks) -> None:
    frozen = numbered(tmp_path)
    code = f"""
import hashlib
from labelmill.feed.maps.augment import flip, noise
from labelmill.feed.training_set import TrainingSet
found = hashlib.sha256()
for images, classes in TrainingSet.open({frozen.location!r}).tf(8, seed=9, repeat=2, map=(flip(), noise())):
    found.update(images.numpy().tobytes() + classes.numpy().tobytes())
digest = found.hexdigest()
"""
    # Another seed of hashes (this process has a random one) and other threads.
    other = tensorflow_forks.run(f"{code}\nprint(digest)", env={"TF_NUM_INTRAOP_THREADS": "4"})
    assert other.returncode == 0, other.stderr
    here: dict[str, str] = {}
    exec(code, here)
    assert other.stdout.split() == [here["digest"]]


def test_a_feed_leaves_the_process_as_it_is_set(tmp_path: Path, tensorflow_forks: Forks) -> None:
    """Threads, determinism and kernels are the user's; learning sets them when it begins."""
    frozen = numbered(tmp_path)
    code = f"""
import os
for name in [name for name in os.environ if name.startswith("TF_")]:
    del os.environ[name]
before = dict(os.environ)
from labelmill.feed.training_set import TrainingSet
dataset = TrainingSet.open({frozen.location!r}).tf(8)
import tensorflow as tf
from tensorflow.python.framework import config
print(tf.config.threading.get_intra_op_parallelism_threads(), config.is_op_determinism_enabled())
print(sorted(n for n in set(os.environ) - set(before) if n.startswith(("TF_ENABLE", "TF_CPP"))))
from labelmill.learning.runtime import tensorflow
tensorflow()
print(config.is_op_determinism_enabled(), sum(1 for _ in dataset))
"""
    run = tensorflow_forks.run(code)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["0 False", "[]", "True 13"]


def test_a_dataset_made_in_the_scope_of_a_strategy_counts(
    tmp_path: Path, tensorflow_forks: Forks
) -> None:
    """In a process of its own: the machine's processor becomes two devices."""
    frozen = numbered(tmp_path)
    code = f"""
import itertools
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from labelmill.feed.training_set import TrainingSet
strategy = tf.distribute.MirroredStrategy(["/CPU:0", "/CPU:1"])
with strategy.scope():
    dataset = TrainingSet.open({frozen.location!r}).tf(8)
    for _ in itertools.islice(dataset, 5):
        pass
    print(dataset.state()["epoch"], dataset.state()["batch"])
    print(sum(1 for _ in dataset), dataset.state()["epoch"])
"""
    run = tensorflow_forks.run(code)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["0", "5", "13", "2"]


def test_a_long_feed_reads_no_further_than_it_says(tmp_path: Path) -> None:
    """Files may go while they are mapped; an endless pass that is dropped leaves no thread behind."""
    import gc
    import threading

    before = set(threading.enumerate())
    frozen = numbered(tmp_path)
    iterator = iter(frozen.tf(1, repeat=True, prefetch=3))
    next(iterator)
    del iterator
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        if thread.name == "labelmill-read-ahead":
            thread.join(10)
            assert not thread.is_alive()
    assert TrainingSet.open(frozen.location).digest == frozen.digest

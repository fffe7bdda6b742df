"""What one writes with TensorFlow alone: arrays in memory, a generator, TFRecord files; and NumPy.

Runs in a process of its own with our packages and TensorFlow's own settings, so that what labelmill
sets (one thread, deterministic kernels) slows nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers.answering import Epochs, again, serve

Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


def arrays(asked: dict[str, Any]) -> Arrays:
    """Images ``(N, H, W, C)`` uint8 and classes ``(N,)`` int64, read into memory."""
    return np.load(asked["images"]), np.load(asked["classes"])


def slices(asked: dict[str, Any]) -> Epochs:
    """The arrays row by row through an element buffer that holds all, as the tutorials show."""
    epochs = _slices(asked)
    return again(lambda: epochs)


def slices_prefetched(asked: dict[str, Any]) -> Epochs:
    """The same, and prefetch."""
    import tensorflow as tf

    epochs = _slices(asked).prefetch(tf.data.AUTOTUNE)
    return again(lambda: epochs)


def _slices(asked: dict[str, Any]) -> Any:
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(arrays(asked))
    return data.shuffle(len(data)).batch(asked["batch"])


def generator(asked: dict[str, Any]) -> Epochs:
    """Row by row out of a Python generator that permutes."""
    import tensorflow as tf

    images, classes = arrays(asked)
    order = np.random.default_rng(0)

    def rows() -> Iterator[tuple[Any, Any]]:
        for index in order.permutation(len(images)):
            yield images[index], classes[index]

    signature = (
        tf.TensorSpec(images.shape[1:], tf.uint8),
        tf.TensorSpec((), tf.int64),
    )
    data = tf.data.Dataset.from_generator(rows, output_signature=signature)
    epochs = data.batch(asked["batch"]).prefetch(tf.data.AUTOTUNE)
    return again(lambda: epochs)


def records(asked: dict[str, Any]) -> Epochs:
    """A TFRecord file, shuffled through a buffer that holds all, parsed a batch at a time."""
    import tensorflow as tf

    images, classes = arrays(asked)
    place = Path(asked["folder"]) / "images.tfrecord"
    feature, lists = tf.train.Feature, tf.train
    with tf.io.TFRecordWriter(str(place)) as writer:
        for image, label in zip(images, classes, strict=True):
            held = {
                "image": feature(bytes_list=lists.BytesList(value=[image.tobytes()])),
                "class": feature(int64_list=lists.Int64List(value=[int(label)])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=held))
            writer.write(example.SerializeToString())
    count, shape = len(images), images.shape[1:]
    del images, classes

    def parse(batch: Any) -> tuple[Any, Any]:
        fields = {
            "image": tf.io.FixedLenFeature((), tf.string),
            "class": tf.io.FixedLenFeature((), tf.int64),
        }
        found = tf.io.parse_example(batch, fields)
        pixels = tf.io.decode_raw(found["image"], tf.uint8, fixed_length=int(np.prod(shape)))
        return tf.reshape(pixels, (-1, *shape)), found["class"]

    data = tf.data.TFRecordDataset(str(place)).shuffle(count).batch(asked["batch"])
    epochs = data.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return again(lambda: epochs)


def numpy_loop(asked: dict[str, Any]) -> Epochs:
    """The arrays permuted and taken a batch at a time: no TensorFlow."""
    return _numpy(asked, None)


def numpy_cast(asked: dict[str, Any]) -> Epochs:
    """The same, and cast to float32."""
    return _numpy(asked, np.float32)


def _numpy(asked: dict[str, Any], dtype: type | None) -> Epochs:
    images, classes = arrays(asked)
    order, size = np.random.default_rng(0), asked["batch"]

    def epoch() -> Iterator[Arrays]:
        permuted = order.permutation(len(images))
        for start in range(0, len(images), size):
            taken = permuted[start : start + size]
            batch = images[taken]
            yield batch if dtype is None else batch.astype(dtype), classes[taken]  # type: ignore[misc]

    return again(epoch)


WAYS = {
    "slices": slices,
    "slices_prefetched": slices_prefetched,
    "generator": generator,
    "records": records,
    "numpy": numpy_loop,
    "numpy_cast": numpy_cast,
}

if __name__ == "__main__":
    serve(WAYS)

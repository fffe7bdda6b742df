"""Petastorm's side of the race of epochs: `make_spark_converter`.

Runs in an environment of its own (``benchmarks/peers/setup petastorm``). The DataFrame is materialised
once, before any clock; one reader goes on over all epochs that are asked for, as petastorm advises.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from answering import Epochs, serve

warnings.filterwarnings("ignore")

import tensorflow as tf  # noqa: E402
from petastorm.spark import SparkDatasetConverter, make_spark_converter  # noqa: E402
from pyspark.sql import DataFrame, SparkSession  # noqa: E402

ROWS_IN_A_PART = 5_000
BINARY = "image binary, label long"
FLOATS = "image array<float>, label long"


def documented(asked: dict[str, Any]) -> Epochs:
    """Pixels as an array of floats, as in petastorm's own MNIST example for TensorFlow."""

    def to_pair(row: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
        return tf.reshape(row.image, (-1, *shape)), row.label

    return _epochs(asked, lambda rows: rows.mapInArrow(to_floats, FLOATS), to_pair)


def tuned(asked: dict[str, Any]) -> Epochs:
    """Pixels as bytes, which are decoded a batch at a time."""

    def to_pair(row: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
        pixels = tf.io.decode_raw(row.image, tf.uint8, fixed_length=int(np.prod(shape)))
        return tf.reshape(pixels, (-1, *shape)), row.label

    return _epochs(asked, lambda rows: rows, to_pair)


def to_floats(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs in a Python worker: bytes to arrays of floats."""
    for batch in batches:
        pixels = np.frombuffer(b"".join(batch.column("image").to_pylist()), np.uint8)
        each = len(pixels) // len(batch)
        ends = np.arange(len(batch) + 1, dtype=np.int32) * each
        floats = pa.ListArray.from_arrays(pa.array(ends), pa.array(pixels.astype(np.float32)))
        yield pa.RecordBatch.from_arrays([floats, batch.column("label")], ["image", "label"])


def session(cores: int, folder: str) -> SparkSession:
    """A Spark for the materialisation."""
    builder = SparkSession.builder.master(f"local[{cores}]").appName("petastorm")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
        SparkDatasetConverter.PARENT_CACHE_DIR_URL_CONF: f"file://{folder}/petastorm",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _epochs(
    asked: dict[str, Any],
    change: Callable[[DataFrame], DataFrame],
    to_pair: Callable[[Any, tuple[int, ...]], tuple[Any, Any]],
) -> Epochs:
    images, classes = np.load(asked["images"]), np.load(asked["classes"])
    shape, rows_in_all = images.shape[1:], len(images)
    spark = session(asked["cores"], asked["folder"])
    pairs = [(bytearray(image), int(label)) for image, label in zip(images, classes, strict=True)]
    parts = [pairs[n : n + ROWS_IN_A_PART] for n in range(0, rows_in_all, ROWS_IN_A_PART)]
    rows = spark.sparkContext.parallelize(parts, len(parts)).flatMap(list)
    made = make_spark_converter(change(spark.createDataFrame(rows, BINARY)))
    spark.stop()
    del images, classes, pairs, parts

    def epochs(count: int) -> Iterator[Any]:
        with made.make_tf_dataset(
            batch_size=asked["batch"],
            num_epochs=count,
            workers_count=asked["cores"],
            shuffling_queue_capacity=rows_in_all,
        ) as data:
            yield from data.map(lambda row: to_pair(row, shape))

    return epochs


if __name__ == "__main__":
    serve({"documented": documented, "tuned": tuned})

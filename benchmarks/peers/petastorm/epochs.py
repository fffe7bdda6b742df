"""Petastorm's side of the race of epochs: `make_spark_converter`, as its documentation shows.

Runs in an environment of its own (``benchmarks/peers/setup petastorm``). The DataFrame is materialised
once, before any clock; one reader goes on over all epochs that are asked for, as petastorm advises.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from answering import Epochs, serve

warnings.filterwarnings("ignore")

import tensorflow as tf  # noqa: E402
from petastorm.spark import SparkDatasetConverter, make_spark_converter  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

ROWS_IN_A_PART = 5_000


def session(cores: int, folder: str) -> SparkSession:
    """A Spark for the materialisation."""
    builder = SparkSession.builder.master(f"local[{cores}]").appName("petastorm")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        SparkDatasetConverter.PARENT_CACHE_DIR_URL_CONF: f"file://{folder}/petastorm",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def converter(asked: dict[str, Any]) -> Epochs:
    """A binary column and a label (a column cannot be named class), materialised; batches decoded as a whole."""
    images, classes = np.load(asked["images"]), np.load(asked["classes"])
    shape, rows_in_all = images.shape[1:], len(images)
    spark = session(asked["cores"], asked["folder"])
    starts = range(0, rows_in_all, ROWS_IN_A_PART)
    parts = [
        [
            (bytearray(image), int(label))
            for image, label in zip(
                images[start : start + ROWS_IN_A_PART],
                classes[start : start + ROWS_IN_A_PART],
                strict=True,
            )
        ]
        for start in starts
    ]
    rows = spark.sparkContext.parallelize(parts, len(parts)).flatMap(list)
    made = make_spark_converter(spark.createDataFrame(rows, "image binary, label long"))
    spark.stop()
    del images, classes, parts

    def decode(row: Any) -> tuple[Any, Any]:
        pixels = tf.io.decode_raw(row.image, tf.uint8, fixed_length=int(np.prod(shape)))
        return tf.reshape(pixels, (-1, *shape)), row.label

    def epochs(count: int) -> Iterator[Any]:
        with made.make_tf_dataset(
            batch_size=asked["batch"],
            num_epochs=count,
            workers_count=asked["cores"],
            shuffling_queue_capacity=rows_in_all,
        ) as data:
            yield from data.map(decode)

    return epochs


if __name__ == "__main__":
    serve({"converter": converter})

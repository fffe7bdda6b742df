"""The order in which images are published: it looks random and repeats for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from labelmill.bus.envelope import Envelope
from labelmill.domain.images.folders import layout_of
from labelmill.domain.images.image import image_id_of
from labelmill.pipelines.publish.worker import ROWS_AT_ONCE, envelope_of
from labelmill.sources.file_reader import Reader
from labelmill.spark.progress import SparkProgress


def order_key(seed: int, collection: str, image_id: str) -> str:
    """The sort key of an image, in hex; `shuffle` computes the same key in Spark."""
    return hashlib.sha256(f"{seed}/{collection}/{image_id}".encode()).hexdigest()


def shuffle(slice_: DataFrame, seed: int, partitions: int) -> DataFrame:
    """Drops duplicate images and sorts each partition by `order_key`."""
    named = F.concat_ws("/", F.lit(str(seed)), "collection", "image_id").cast("binary")
    return (
        slice_.dropDuplicates(["collection", "image_id"])
        .withColumn("_order", F.sha2(named, 256))
        .repartitionByRange(partitions, "_order")
        .sortWithinPartitions("_order")
    )


def file_envelopes(
    read: Reader, uris: list[str], collection: str, with_labels: bool, progress: SparkProgress
) -> Iterator[Envelope]:
    """Files as messages, in the given order."""
    layout = layout_of(sorted(uris)) if with_labels else None
    for number, uri in enumerate(uris):
        data = read(uri)
        header = {"collection": collection, "image_id": image_id_of(data)}
        truth = layout.read(uri)[0] if layout else None
        if with_labels:  # a path often names the class
            header["uri"] = uri
        if truth is not None:
            header["class"] = truth
        progress.advance(number + 1, len(uris))
        yield Envelope({**header, "encoding": "png"}, data)


def frozen_envelopes(
    rows: pa.Table, with_labels: bool, seed: int, progress: SparkProgress
) -> Iterator[Envelope | None]:
    """Rows of a training set as messages, in the order of `order_key`."""
    names = zip(rows["collection"].to_pylist(), rows["image_id"].to_pylist(), strict=True)
    keys = [order_key(seed, collection, image_id) for collection, image_id in names]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    for start in range(0, len(order), ROWS_AT_ONCE):
        for row in rows.take(order[start : start + ROWS_AT_ONCE]).to_pylist():
            yield envelope_of(row, with_labels)
        progress.advance(min(start + ROWS_AT_ONCE, len(order)), len(order))

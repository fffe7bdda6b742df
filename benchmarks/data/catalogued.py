"""Images in Kudu with their truth, for benchmarks that read them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.data import sources
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.resources import Kudu
from benchmarks.measure.timing import Race
from labelmill.pipelines.ingest.driver import ingest
from labelmill.sql.snapshot import settled_snapshot

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLLECTION = "mnist"


@dataclass(frozen=True)
class Catalogued:
    """What a benchmark reads from.

    Attributes:
        images: How many there are in the collection.
        snapshot_ms: Everybody reads at this moment, which is old enough that nobody waits for it.
        folder: For files, deleted afterwards.
    """

    spark: SparkSession
    kudu: Kudu
    images: int
    snapshot_ms: int
    folder: Path


@contextlib.contextmanager
def mnist(options: Options) -> Iterator[Catalogued]:
    """MNIST's training images in a Kudu of the run, with a warm Spark session."""
    data = resources.public_data(sources.MNIST)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(resources.scratch())
        source = sources.mnist_folder(data, folder / "heap", None if not options.quick else 2_000)
        kudu = stack.enter_context(resources.kudu(folder, options.say))
        spark = stack.enter_context(resources.spark(options.cores, kudu.settings))
        options.say(f"ingesting {source.files:,} images")
        ingest(spark, kudu.settings, str(source.path), COLLECTION)
        yield Catalogued(spark, kudu, source.images, settled_snapshot(kudu.settings), folder)


def require_whole(raced: Race, images: int) -> None:
    """Refuses a race in which somebody did not take every image.

    Raises:
        RuntimeError: Names who, and how many it took.
    """
    for name, timed in raced.timed.items():
        if timed.items != images:
            raise RuntimeError(f"{name} took {timed.items:,} of {images:,} images")

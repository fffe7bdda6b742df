"""PNG files to rows, against Spark's binaryFile + UDF and against petastorm's materialisation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants.ingesting import INGEST, Ingesting
from benchmarks.data import sources
from benchmarks.data.sources import SourceFiles
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from benchmarks.peers import binary_file
from benchmarks.peers.process import Peer
from labelmill.errors import NoData
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PLAIN, PETASTORM = "binaryFile + UDF", "petastorm"
PROMISED = {PLAIN: 5.0, PETASTORM: 2.0}


def run(options: Options) -> Result:
    """MNIST's 60,000 training images, unpacked once; every session is warm."""
    data = resources.public_data(sources.MNIST)
    result = Result("ingest_peers", __doc__ or "", options.quick, options.repetitions)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(resources.scratch())
        options.say("unpacking")
        source = sources.mnist_folder(data, folder / "heap", options.size(60_000, 2_000))
        few = sources.mnist_folder(data, folder / "few", 500)
        kudu = stack.enter_context(resources.kudu(folder, options.say))
        spark = stack.enter_context(resources.spark(options.cores, kudu.settings))
        ours = Ingesting(spark, kudu, source, options.cores)
        peers = _binary_file(spark, kudu.settings, folder, source, few)
        try:
            arguments = [f"local[{options.cores}]"]
            peer = Peer(PETASTORM, "materialise.py", arguments, folder / "petastorm.log")
        except NoData as absent:
            result.notes.append(f"{absent}; this run is without it.")
        else:
            stack.enter_context(peer)
            peers.append(_petastorm(spark, peer, folder / PETASTORM, source))
        # The one that takes minutes runs when the others are through: Spark ends Python workers that
        # wait for one, and who comes after it would start cold.
        slow = [one for one in peers if one.name == PLAIN]
        quick = [one for one in peers if one.name != PLAIN]
        raced = race([*quick, ours.warm()], options.repetitions, options.settle, options.say)
        raced |= race(slow, options.repetitions, options.settle, options.say)
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "images/s") for timed in raced.timed.values()]
    for one in peers:
        ratio, least = raced[INGEST].ratios(raced[one.name]), PROMISED.get(one.name)
        result.figures.append(
            Figure(f"{INGEST} / {one.name}", ratio, at_least=least, judged=not options.quick)
        )
    result.limit = ours.limit
    result.notes.append(
        f"{source.files:,} files, {source.size / 2**20:.0f} MiB. Ingest also keeps statistics, annotations "
        "and quarantine, knows duplicates, and writes to Kudu, whose servers run on the same cores. "
        f"{PLAIN} runs after all others: it takes minutes, after which they would start cold."
    )
    return result


def _binary_file(
    spark: SparkSession, settings: Settings, folder: Path, source: SourceFiles, few: SourceFiles
) -> list[Contestant]:
    """Warmed up with `few` files: as it comes, it needs minutes for all."""
    plain, tuned = binary_file.as_it_comes(spark), binary_file.tuned(spark)

    def parquet(name: str, session: SparkSession, arrow: bool, note: str) -> Contestant:
        target = folder / name.replace(" ", "-")

        def take(files: SourceFiles) -> int:
            binary_file.to_parquet(binary_file.read(session, files.path, arrow), target)
            return files.files

        return Contestant(
            name, lambda _: take(source), note, lambda: take(few), _rows_in(spark, target, source)
        )

    def to_kudu(files: SourceFiles, collection: str) -> int:
        rows = binary_file.read(tuned, files.path, arrow=True)
        binary_file.to_kudu(rows, settings, collection)
        return files.files

    return [
        parquet(
            PLAIN, plain, False,
            "Spark as it comes: binaryFile, pickled UDF (Pillow decode to array bytes, SHA-256), Parquet",
        ),
        parquet(
            "binaryFile, tuned", tuned, True,
            "the same with openCostInBytes=2048 (few partitions) and an Arrow UDF, Parquet",
        ),
        Contestant(
            "binaryFile, tuned, Kudu",
            lambda n: to_kudu(source, f"binary-file-{n}"),
            "as tuned, persisted and written to Kudu's `images` by kudu-spark; no statistics, no "
            "annotations",
            warm=lambda: to_kudu(few, "binary-file-0"),
        ),
    ]  # fmt: skip


def _petastorm(spark: SparkSession, peer: Peer, target: Path, source: SourceFiles) -> Contestant:
    def take(_: int) -> int:
        rows: int = peer.ask(folder=str(source.path), target=str(target))["rows"]
        return rows

    note = (
        "materialize_dataset of petastorm 0.13.1 in its own Spark: path list, Pillow decode, SHA-256, "
        "NdarrayCodec, Parquet with its metadata"
    )
    return Contestant(PETASTORM, take, note, check=_rows_in(spark, target, source))


def _rows_in(spark: SparkSession, folder: Path, source: SourceFiles) -> Callable[[int], None]:
    def check(_: int) -> None:
        rows = spark.read.parquet(f"file://{folder}").count()
        if rows != source.files:
            raise RuntimeError(f"{folder.name} has {rows} rows, expected {source.files}")

    return check

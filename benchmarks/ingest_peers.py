"""PNG files to rows, against Spark's binaryFile + UDF and against petastorm's materialisation."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from benchmarks.harness import heaps, places
from benchmarks.harness.ingesting import INGEST, Ingesting
from benchmarks.harness.options import Options
from benchmarks.harness.results import Figure, Result, Row
from benchmarks.harness.timing import Contestant, race
from benchmarks.peers import binary_file
from benchmarks.peers.process import Peer
from labelmill.errors import NoData

PLAIN, TUNED, KUDU = "binaryFile + UDF", "binaryFile, tuned", "binaryFile, tuned, Kudu"
PETASTORM = "petastorm"


def run(options: Options) -> Result:
    """MNIST's 60,000 training images, unpacked once; every session is warm."""
    data = places.public_data(heaps.MNIST)
    result = Result("ingest_peers", __doc__ or "", options.quick, options.repetitions)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(places.scratch())
        options.say("unpacking")
        heap = heaps.mnist_folder(data, folder / "heap", options.size(60_000, 2_000))
        few = heaps.mnist_folder(data, folder / "few", 500)
        kudu = stack.enter_context(places.kudu(folder, options.say))
        spark = stack.enter_context(places.spark(options.cores, kudu.settings))
        ours = Ingesting(spark, kudu, heap, options.cores)
        plain, tuned = binary_file.as_it_comes(spark), binary_file.tuned(spark)

        def parquet(session, arrow, heap, name):
            rows = binary_file.read(session, heap.place, arrow)
            binary_file.to_parquet(rows, folder / name)
            return heap.files

        def to_kudu(heap: heaps.HeapOfFiles, name: str) -> int:
            rows = binary_file.read(tuned, heap.place, True)
            binary_file.to_kudu(rows, kudu.settings, name)
            return heap.files

        entrants = [
            Contestant(
                PLAIN,
                lambda n: parquet(plain, False, heap, "plain"),
                "Spark as it comes: binaryFile, pickled UDF (Pillow decode to array bytes, SHA-256), "
                "Parquet",
                warm=lambda: parquet(plain, False, few, "plain"),
                check=lambda n: _check(spark, folder / "plain", heap.files),
            ),
            Contestant(
                TUNED,
                lambda n: parquet(tuned, True, heap, "tuned"),
                "the same with openCostInBytes=2048 (few partitions) and an Arrow UDF, Parquet",
                warm=lambda: parquet(tuned, True, few, "tuned"),
                check=lambda n: _check(spark, folder / "tuned", heap.files),
            ),
            Contestant(
                KUDU,
                lambda n: to_kudu(heap, f"binary-file-{n}"),
                "as tuned, persisted and written to Kudu's `images` by kudu-spark; no statistics, no "
                "annotations",
                warm=lambda: to_kudu(few, "binary-file-0"),
            ),
            ours.warm(),
        ]
        try:
            peer = Peer(
                PETASTORM, "materialise.py", [f"local[{options.cores}]"], folder / "petastorm.log"
            )
        except NoData as absent:
            result.notes.append(f"{absent}; this run is without it.")
        else:
            stack.enter_context(peer)
            target = str(folder / PETASTORM)
            entrants.insert(
                -1,
                Contestant(
                    PETASTORM,
                    lambda n: peer.ask(folder=str(heap.place), target=target)["rows"],
                    "materialize_dataset of petastorm 0.13.1 in its own Spark, path list, Pillow "
                    "decode, SHA-256, NdarrayCodec, Parquet with its metadata",
                    check=lambda n: _check(spark, Path(target), heap.files),
                ),
            )
        raced = race(entrants, options.repetitions, options.settle, options.say)
        result.count_starts(raced)
    result.rows = [Row.rate(raced[one.name], "images/s") for one in entrants]
    promised = {PLAIN: 5.0, PETASTORM: 2.0}
    for one in entrants[:-1]:
        ratio = raced[INGEST].ratios(raced[one.name])
        least = promised.get(one.name)
        result.figures.append(
            Figure(f"{INGEST} / {one.name}", ratio, at_least=least, judged=not options.quick)
        )
    result.limit = ours.told
    result.notes.append(
        f"{heap.files:,} files, {heap.size / 2**20:.0f} MiB. Ingest also keeps statistics, annotations, "
        f"duplicates and quarantine, in Kudu; the others write files. {os.cpu_count()} cores for all."
    )
    return result


def _check(spark, folder: Path, files: int) -> None:
    rows = spark.read.parquet(f"file://{folder}").count()
    if rows != files:
        raise RuntimeError(f"{folder.name} has {rows} rows, expected {files}")

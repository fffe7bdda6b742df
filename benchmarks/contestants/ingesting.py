"""`ingest` as a contestant: in a warm session, and as the whole command; its race with bare loops."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import bare_loop
from benchmarks.contestants.commands import job_command, run_command
from benchmarks.data.sources import SourceFiles
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.resources import Kudu
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.pipelines.ingest.driver import ingest
from labelmill.store.schema.tables import IMAGES
from labelmill.store.spark import frames

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INGEST, COMMAND = "ingest", "whole command"
COMPARED = (INGEST, COMMAND)
"""Our contestants, which `--against` times in two checkouts."""


class Ingesting:
    """Ingests one source again and again, each time into a new collection, and checks what is there.

    Attributes:
        limit: What limited the last timed run.
    """

    def __init__(self, spark: SparkSession, kudu: Kudu, source: SourceFiles, cores: int) -> None:
        self._spark, self._kudu, self._source, self._cores = spark, kudu, source, cores
        self.limit = ""

    def warm(self) -> Contestant:
        """The call `ingest(…)` in a session that has run before."""
        note = (
            f"`ingest()` to rows in Kudu, {self._cores} task slots, warm Spark session, tables exist, "
            "new collection each time"
        )
        return Contestant(INGEST, self._ingest, note, check=lambda n: self._check(f"warm-{n}"))

    def command(self, folder: Path) -> Contestant:
        """``bin/submit jobs/ingest_images.py``: Python, JVM and Spark start anew each time."""
        note = (
            "`bin/submit jobs/ingest_images.py`: the same, with the start and end of Python, JVM and "
            "Spark"
        )

        def run(repetition: int) -> int:
            collection = f"command-{repetition}"
            command = submit_command(self._source.path, collection, self._cores)
            run_command(self._kudu, command, folder / f"{collection}.log")
            return self._source.files

        return Contestant(
            COMMAND, run, note, warm=lambda: None, check=lambda n: self._check(f"command-{n}")
        )

    def _ingest(self, repetition: int) -> int:
        with CpuWatch(os.getpid(), {"Kudu's servers": self._kudu.servers}) as watch:
            settings, place = self._kudu.settings, str(self._source.path)
            report = ingest(self._spark, settings, place, f"warm-{repetition}")
        slowest = report.results.get("slowest_part")
        self.limit = f"While ingest ran, {watch.shares}" + (
            f" Its own report names as slowest: {slowest}." if slowest else ""
        )
        return self._source.files

    def _check(self, collection: str) -> None:
        mine = f"collection = '{collection}'"
        rows = frames.read(self._spark, self._kudu.settings, IMAGES, ["image_id"], mine).count()
        if rows != self._source.images:
            raise RuntimeError(
                f"collection {collection} has {rows} images, expected {self._source.images}"
            )


def race_bare_loops(
    result: Result,
    options: Options,
    folder: Path,
    source: SourceFiles,
    bare_loops: Callable[[Pool], Sequence[Contestant]],
    at_least: float,
    aim: float,
) -> None:
    """Times bare loops, `ingest` and the whole command in turn; the faster bare loop is the peer.

    Args:
        result: Receives rows, figures and what limits it.
        options: How to run.
        folder: For servers and logs.
        source: What everybody takes.
        bare_loops: Makes them, given a pool of as many processes as there are cores.
        at_least: Promised: ingest's rate as a multiple of the bare loop's.
        aim: Hoped for.
    """
    with (
        resources.kudu(folder, options.say) as kudu,
        resources.spark(options.cores, kudu.settings) as spark,
        bare_loop.processes(options.cores) as pool,
    ):
        ours = Ingesting(spark, kudu, source, options.cores)
        bare = bare_loops(pool)
        entrants = [*bare, ours.warm(), ours.command(folder)]
        raced = race(entrants, options.repetitions, options.settle, options.say)
    peer = raced.fastest([one.name for one in bare])
    result.count_starts(raced)
    result.rows += [Row.rate(raced[one.name], "images/s") for one in entrants]
    ratio, judged = raced[INGEST].ratios(peer), not options.quick
    result.figures += [
        Figure(f"{INGEST} / {peer.name}", ratio, "×", at_least, None, aim, judged),
        Figure(f"{COMMAND} / {peer.name}", raced[COMMAND].ratios(peer)),
    ]
    result.limit = ours.limit


def submit_command(source: Path, collection: str, cores: int, *options: str) -> list[str]:
    """The command line; `options` are spark-submit's."""
    words = ("jobs/ingest_images.py", str(source), "--collection", collection)
    return job_command(cores, *words, options=options)

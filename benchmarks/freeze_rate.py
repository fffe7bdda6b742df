"""Freezing 60,000 images from Kudu to Arrow shards, against a plain Spark sum of the pixel column's length."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from benchmarks.data import catalogued
from benchmarks.data.catalogued import COLLECTION, Catalogued
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.freeze.driver import default_sql, freeze, truth_sql
from labelmill.store.schema.tables import IMAGES
from labelmill.store.spark import frames

SUM, KEYS, WHOLE = "sum of lengths", "freeze, keys and classes", "freeze, all columns"
RUN = "freeze, keys and classes that Spark selects"
AT_LEAST = 0.5

COMPARED = (KEYS, WHOLE, RUN)


def run(options: Options) -> Result:
    """One warm session; everybody reads at one snapshot."""
    result = Result("freeze_rate", __doc__ or "", options.quick, options.repetitions)
    with catalogued.mnist(options) as held:
        shares: list[str] = []
        contestants = [
            Contestant(
                SUM,
                lambda _: _summed(held),
                "sum(length(pixels)) over the connector's rows; no guard, no views",
            ),
            _freezing(
                held, KEYS, truth_sql(COLLECTION), "the query names images and classes", shares
            ),
            _freezing(
                held, WHOLE, default_sql(COLLECTION), "the query gives the pixels too", shares
            ),
            _freezing(
                held,
                RUN,
                truth_sql(COLLECTION) + " and class <> 'none'",
                "a condition that the row client does not know: Spark runs the query",
                shares,
            ),
        ]
        raced = race(contestants, options.repetitions, options.settle, options.say)
    catalogued.require_whole(raced, held.images)
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "rows/s") for timed in raced.timed.values()]
    for name in (KEYS, WHOLE):
        ratio = raced[name].ratios(raced[SUM])
        result.figures.append(
            Figure(f"{name} / {SUM}", ratio, at_least=AT_LEAST, judged=not options.quick)
        )
    result.figures.append(Figure(f"{RUN} / {SUM}", raced[RUN].ratios(raced[SUM])))
    result.limit = f"While a slice was frozen, {shares[-1]}"
    result.notes.append(
        f"{held.images:,} images of 28×28. The sum is Kudu's connector and the JVM alone: no row leaves "
        "it. Freezing also hashes each row, divides, checks for twins and classes, orders, and hashes "
        "the shards it writes. Each time into a new folder, opened and verified after the clock."
    )
    return result


def _summed(held: Catalogued) -> int:
    from pyspark.sql import functions as F

    mine = F.col("collection") == COLLECTION
    images = frames.read(
        held.spark, held.kudu.settings, IMAGES, None, mine, snapshot_ms=held.snapshot_ms
    )
    row = images.agg(F.sum(F.length("pixels")), F.count("*")).collect()[0]
    rows: int = row[1]
    return rows


def _freezing(held: Catalogued, name: str, sql: str, note: str, shares: list[str]) -> Contestant:
    def place(repetition: int) -> str:
        return str(held.folder / name.replace(" ", "-") / str(repetition))

    def take(repetition: int) -> int:
        with CpuWatch(os.getpid(), {"Kudu's servers": held.kudu.servers}) as watch:
            report = freeze(
                held.spark, held.kudu.settings, sql, name,
                snapshot_ms=held.snapshot_ms, location=place(repetition),
            )  # fmt: skip
        shares.append(str(watch.shares))
        rows: int = report.results["rows"]
        return rows

    return Contestant(name, take, note, check=_whole(place, held.images))


def _whole(place: Callable[[int], str], images: int) -> Callable[[int], None]:
    def check(repetition: int) -> None:
        (folder,) = os.listdir(place(repetition))
        rows = len(TrainingSet.open(f"{place(repetition)}/{folder}"))
        if rows != images:
            raise RuntimeError(f"{rows} rows were frozen, expected {images}")
        # Rows stay where they lie whole: the next repetition would write nothing.
        shutil.rmtree(place(repetition))

    return check

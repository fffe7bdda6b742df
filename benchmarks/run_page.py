"""The page of a run of 100,000 micro-batches, against one of 1,000."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from itertools import islice

from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, Spread, race
from labelmill.serving.run_page import render
from labelmill.serving.run_reader import read_run
from labelmill.settings import Settings
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import ALIASES, STREAM_BATCHES
from labelmill.store.spark.frames import ensure_all

FEW, MANY, QUICK = 1_000, 100_000, 5_000
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
SECONDS, MEBIBYTES = 2.0, 2.0
"""Promised for the page of `MANY` micro-batches."""

_AT_ONCE = 10_000


def run(options: Options) -> Result:
    """One warm session reads the catalogue and draws each page; nothing is written to a file."""
    many = QUICK if options.quick else MANY
    result = Result("run_page", __doc__ or "", options.quick, options.repetitions)
    sizes: dict[int, int] = {}
    seconds: list[float] = []
    shares: list[str] = []
    with resources.scratch() as folder, resources.kudu(folder, options.say) as kudu:
        options.say(f"writing {many:,} micro-batches")
        for count in (FEW, many):
            _write(kudu.settings, count)
        with resources.spark(options.cores, kudu.settings) as spark:

            def draw(count: int) -> int:
                started = time.perf_counter()
                with CpuWatch(os.getpid(), {"Kudu's servers": kudu.servers}) as watch:
                    sizes[count] = len(render(read_run(spark, kudu.settings, "c", _model(count))))
                if count == many:
                    seconds.append(time.perf_counter() - started)
                    shares.append(str(watch.shares))
                return 1

            raced = race(
                [
                    Contestant(f"{count:,} micro-batches", lambda _, count=count: draw(count))  # type: ignore[misc]
                    for count in (FEW, many)
                ],
                options.repetitions,
                options.settle,
                options.say,
            )
    result.count_starts(raced)
    few, much = raced.timed.values()
    # The first drawing of each warms the session up.
    took, size = Spread.of(seconds[1:]), Spread.of([sizes[many] / 2**20])
    result.rows = [Row(much.name, "s", took), Row(much.name, "MiB", size)]
    result.figures = [
        Figure(f"{few.name} / {much.name}", much.ratios(few)),
        Figure(f"{much.name}, time", took, "s", at_most=SECONDS, judged=not options.quick),
        Figure(f"{much.name}, size", size, "MiB", at_most=MEBIBYTES, judged=not options.quick),
    ]
    result.limit = f"While the larger page was made, {shares[-1]}"
    return result


def _model(count: int) -> str:
    return f"m{count}"


def _write(settings: Settings, count: int) -> None:
    client = open_client(settings)
    try:
        ensure_all(settings, client)
        named = {"model": _model(count), "alias": "production", "version": 1, "moved_at": START}
        client.write(ALIASES, [named])
        rows = (
            {
                "query": _model(count), "batch_id": number, "model": _model(count),
                "version": 1 + number * 5 // count, "state": "done", "rows": 30, "dead": 0,
                "milliseconds": 700 + number % 400, "started_at": START + timedelta(seconds=number),
            }
            for number in range(count)
        )  # fmt: skip
        while part := list(islice(rows, _AT_ONCE)):
            client.write(STREAM_BATCHES, part)
    finally:
        client.close()

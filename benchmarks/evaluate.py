"""Evaluating eight model versions on images in Kudu, against a bare loop over arrays in memory."""

from __future__ import annotations

import os

from benchmarks.contestants import bare_inference
from benchmarks.data import catalogued, digits, drawn_models
from benchmarks.data.catalogued import COLLECTION, Catalogued
from benchmarks.data.digits import Digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.pipelines.evaluate.driver import evaluate
from labelmill.pipelines.evaluate.slice_rows import Slice
from labelmill.pipelines.freeze.driver import default_sql

MODEL, VERSIONS = "drawn", 8
BARE, ONE, ALL = "bare loop", "evaluate, 1 version", f"evaluate, {VERSIONS} versions"
COMPARED = (ONE, ALL)


def run(options: Options) -> Result:
    """One warm session; each repetition measures a slice that has no result yet."""
    result = Result("evaluate", __doc__ or "", options.quick, options.repetitions)
    held_digits = Digits.read(
        resources.public_data(digits.IMAGES, digits.CLASSES), 2_000 if options.quick else None
    )
    with (
        catalogued.mnist(options) as held,
        bare_inference.processes(options.cores, VERSIONS) as pool,
    ):
        drawn_models.publish(held.kudu.settings, MODEL, VERSIONS)
        shares: list[str] = []
        raced = race(
            [
                Contestant(
                    BARE,
                    lambda _: bare_inference.confused(
                        pool, held_digits.images, held_digits.classes
                    ),
                    f"{VERSIONS} versions; arrays in memory, prepared once a batch of {bare_inference.BATCH}, "
                    f"ONNX Runtime, argmax, counts; {options.cores} processes that have loaded the models",
                ),
                _evaluating(held, ONE, "1", shares),
                _evaluating(held, ALL, "all", shares),
            ],
            options.repetitions,
            options.settle,
            options.say,
        )
    catalogued.require_whole(raced, held.images)
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "images/s") for timed in raced.timed.values()]
    result.figures = [
        Figure(f"{ALL} / {BARE}", raced[ALL].ratios(raced[BARE])),
        Figure(f"{ALL} / {ONE}", raced[ALL].ratios(raced[ONE])),
    ]
    result.limit = f"While {VERSIONS} versions were measured, {shares[-1]}"
    result.notes.append(
        f"{held.images:,} images of 28×28; models 784-{drawn_models.HIDDEN}-10. Evaluating also reads the "
        "pixels and the truth from Kudu, proves each model on its canary, judges, and writes `evaluations`."
    )
    return result


def _evaluating(held: Catalogued, name: str, versions: str, shares: list[str]) -> Contestant:
    def take(repetition: int) -> int:
        # A slice of its own: what has a result on a slice need not be measured again.
        query = f"select * from ({default_sql(COLLECTION)}) where image_id <> '{name} {repetition}'"
        with CpuWatch(os.getpid(), {"Kudu's servers": held.kudu.servers}) as watch:
            report = evaluate(held.spark, held.kudu.settings, MODEL, Slice(sql=query), versions)
        shares.append(str(watch.shares))
        rows: int = report.results["rows"]
        return rows

    return Contestant(name, take, "warm session; the slice is a query over images and truth")

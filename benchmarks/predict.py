"""Labelling images in Kudu with one version, against a bare loop over arrays in memory."""

from __future__ import annotations

import os

from benchmarks.contestants import bare_inference
from benchmarks.contestants.commands import job_command, run_command
from benchmarks.data import catalogued, digits, drawn_models
from benchmarks.data.catalogued import COLLECTION, Catalogued
from benchmarks.data.digits import Digits
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.pipelines.predict.driver import predict_images

MODEL, FEW = "drawn", 100
BARE, PREDICT, COMMAND = "bare loop", "predict", f"whole command, {FEW} images"
COMPARED = (PREDICT, COMMAND)


def run(options: Options) -> Result:
    """A warm session labels all images; the whole command labels a hundred."""
    result = Result("predict", __doc__ or "", options.quick, options.repetitions)
    held_digits = Digits.read(
        resources.public_data(digits.IMAGES, digits.CLASSES), 2_000 if options.quick else None
    )
    shares: list[str] = []
    with catalogued.mnist(options) as held, bare_inference.processes(options.cores, 1) as pool:
        drawn_models.publish(held.kudu.settings, MODEL, 1)
        raced = race(
            [
                Contestant(
                    BARE,
                    lambda _: bare_inference.confused(
                        pool, held_digits.images, held_digits.classes
                    ),
                    f"arrays in memory, ONNX Runtime in batches of {bare_inference.BATCH}, argmax; "
                    f"{options.cores} processes that have loaded the model",
                ),
                _predicting(held, shares),
                _command(held, options.cores),
            ],
            options.repetitions,
            options.settle,
            options.say,
        )
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "images/s") for timed in raced.timed.values()]
    result.figures = [Figure(f"{PREDICT} / {BARE}", raced[PREDICT].ratios(raced[BARE]))]
    result.limit = f"While predict ran, {shares[-1]}"
    result.notes.append(
        f"{held.images:,} images of 28×28; model 784-{drawn_models.HIDDEN}-10. Predict also reads the pixels "
        "from Kudu, proves the model on its canary, and upserts a row of `labels` for each image."
    )
    return result


def _predicting(held: Catalogued, shares: list[str]) -> Contestant:
    def label(_: int) -> int:
        query = f"select * from images where collection = '{COLLECTION}'"
        with CpuWatch(os.getpid(), {"Kudu's servers": held.kudu.servers}) as watch:
            report = predict_images(held.spark, held.kudu.settings, query, MODEL, version=1)
        shares.append(str(watch.shares))
        rows: int = report.results["rows"]
        if rows != held.images:
            raise RuntimeError(f"{rows:,} of {held.images:,} images were labelled")
        return rows

    return Contestant(PREDICT, label, "warm session; every row is written again")


def _command(held: Catalogued, cores: int) -> Contestant:
    query = f"select * from images where collection = '{COLLECTION}' order by image_id limit {FEW}"

    def label(repetition: int) -> int:
        words = ("jobs/predict_images.py", MODEL, "--version", "1", "--sql", query)
        log = held.folder / f"predict-{repetition}.log"
        run_command(held.kudu, job_command(cores, *words), log)
        return FEW

    note = "`bin/submit jobs/predict_images.py`: with the start and end of Python, JVM and Spark"
    return Contestant(COMMAND, label, note, warm=lambda: None)

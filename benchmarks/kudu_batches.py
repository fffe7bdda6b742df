"""Shuffled batches straight from Kudu, against the rate at which its driver scans the same tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.data import catalogued
from benchmarks.data.catalogued import COLLECTION, Catalogued
from benchmarks.measure.options import Options
from benchmarks.measure.processes import CpuWatch
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Contestant, race
from labelmill.live.kudu.batches import READERS, KuduBatches
from labelmill.live.kudu.reader import PIXELS
from labelmill.pipelines.freeze.driver import truth_sql
from labelmill.store.connect import shared_client
from labelmill.store.schema.tables import IMAGES

BATCH, AT_LEAST = 128, 0.8
PASSES = 5
"""Of a turn: one takes less than half a second."""

ONE, SEVERAL = "scan, one thread", f"scan, {READERS} threads"
NUMPY, TF = "KuduBatches, .numpy()", "KuduBatches, .tf()"
COMPARED = (NUMPY, TF)


def run(options: Options) -> Result:
    """One plan, made before the clock; the faster scan is the peer."""
    result = Result("kudu_batches", __doc__ or "", options.quick, options.repetitions)
    with catalogued.mnist(options) as held:
        batches = KuduBatches(
            truth_sql(COLLECTION), held.kudu.settings, held.spark, held.snapshot_ms
        )
        tokens = [token for unit in batches.planned.units for token in unit.tokens]
        arrays, tensors = batches.numpy(BATCH), batches.tf(BATCH)
        driver = type(shared_client(held.kudu.settings)).__module__.rpartition(".")[2]
        shares: list[str] = []
        columns = (
            f"columns {', '.join(PIXELS)} of all tokens of the plan as Arrow batches, thrown away"
        )
        contestants = [
            Contestant(ONE, lambda _: _scanned(held, tokens, 1), columns),
            Contestant(SEVERAL, lambda _: _scanned(held, tokens, READERS), "the same"),
            Contestant(NUMPY, lambda _: _fed(held, arrays, shares), f"`.numpy({BATCH})`"),
            Contestant(TF, lambda _: _fed(held, tensors, shares), f"`.tf({BATCH})`"),
        ]
        raced = race(contestants, options.repetitions, options.settle, options.say)
    catalogued.require_whole(raced, PASSES * held.images)
    result.count_starts(raced)
    result.rows = [Row.rate(timed, "rows/s") for timed in raced.timed.values()]
    peer = raced.fastest([ONE, SEVERAL])
    for name in (NUMPY, TF):
        ratio = raced[name].ratios(peer)
        result.figures.append(
            Figure(f"{name} / {peer.name}", ratio, at_least=AT_LEAST, judged=not options.quick)
        )
    result.limit = f"While batches were fed, {shares[-1]}"
    result.notes.append(
        f"{held.images:,} images of 28×28 in {len(tokens)} tokens, driver {driver}. An epoch is shuffled within windows, and holds each image "
        "once (looked at in the product's tests). Planning is not timed: it is done once for all epochs."
    )
    return result


def _scanned(held: Catalogued, tokens: list[bytes], threads: int) -> int:
    client = shared_client(held.kudu.settings)

    def one(token: bytes) -> int:
        scan = client.scan(IMAGES, PIXELS, token=token)
        return sum(batch.num_rows for batch in scan.batches())

    with ThreadPoolExecutor(threads) as pool:
        return sum(sum(pool.map(one, tokens)) for _ in range(PASSES))


def _fed(held: Catalogued, batches: Iterable[Any], shares: list[str]) -> int:
    with CpuWatch(os.getpid(), {"Kudu's servers": held.kudu.servers}) as watch:
        rows = sum(classes.shape[0] for _ in range(PASSES) for _, classes in batches)
    shares.append(str(watch.shares))
    return rows

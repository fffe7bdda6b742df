"""All 375 files of two PNG suites: stored exactly, or in quarantine with a reason; no crash, no hang."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from benchmarks.contestants import decoding
from benchmarks.data.png_reference import REFERENCE, SUITES, agreeing, references
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.resources import Kudu
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread
from labelmill.domain.codecs import Pixels
from labelmill.domain.images.image import from_bytes

HANG = 120.0
"""Seconds after which the whole lot hangs; it takes less than one."""


def run(options: Options) -> Result:
    """Decoded in a process of their own for memory and crashes, then ingested and compared in Kudu."""
    data = resources.public_data(REFERENCE, *SUITES)
    result = Result("png_suite", __doc__ or "", options.quick, 1)
    rows = references(data)
    paths = [str(data / row["path"]) for row in rows]
    answers, wrong = decoding.in_a_process(["suite", *paths], HANG)
    crashes = [one for one in answers if "crash" in one]
    if crashes:
        wrong = f"{crashes[0]['name']}: {crashes[0]['crash']}"
    if wrong:
        result.notes.append(f"Decoding in a process of its own: {wrong}")
    slowest = max((one["seconds"] for one in answers if "seconds" in one), default=HANG)
    extra = answers[-1].get("extra_bytes", 0) if answers else 0
    with resources.scratch() as folder, resources.kudu(folder, options.say) as kudu:
        stored, reasons = _ingested(options, kudu, data)
    outcome = Counter(_outcome(row, data, stored, reasons) for row in rows)
    for what in ("exact", "quarantined", "stored, differs", "lost"):
        result.rows.append(Row(what, "files", _one(outcome[what])))
    result.rows += [
        Row("slowest decode", "ms", _one(1000 * slowest)),
        Row("extra memory of decoding all", "MiB", _one(extra / 2**20)),
    ]
    fine = outcome["exact"] + outcome["quarantined"]
    result.figures = [
        Figure("exact or quarantined", _one(fine), "files", at_least=len(rows)),
        Figure("crashes and hangs", _one(bool(wrong)), "", at_most=0),
        Figure("extra memory", _one(extra / 1e6), "MB", at_most=200),
    ]
    counted = ", ".join(f"{why} {n}" for why, n in Counter(reasons.values()).most_common())
    result.notes.append(
        "Exact: the array that Kudu holds after `ingest`, brought into the form in which netpbm's or "
        f"Pillow's pixels were hashed, has the hash of {REFERENCE}. Quarantined: {counted}."
    )
    result.limit = "Nothing here is about speed: the files are small and the verdict is exactness."
    return result


def _ingested(
    options: Options, kudu: Kudu, data: Path
) -> tuple[dict[tuple[str, str], Pixels], dict[str, str]]:
    """(suite, image_id) → pixels as stored; path → reason of quarantine."""
    from labelmill.pipelines.ingest.driver import ingest
    from labelmill.sql.pixels import with_pixels
    from labelmill.store.schema.tables import IMAGES, QUARANTINE
    from labelmill.store.spark import frames

    stored: dict[tuple[str, str], Pixels] = {}
    reasons: dict[str, str] = {}
    columns = ["collection", "image_id", "height", "width", "channels", "dtype", "pixels"]
    with resources.spark(options.cores, kudu.settings) as spark:
        for suite in SUITES:
            options.say(f"ingesting {suite}")
            ingest(spark, kudu.settings, str(data / suite), suite)
        images = with_pixels(frames.read(spark, kudu.settings, IMAGES, columns), kudu.settings)
        for row in images.toLocalIterator():
            shape = (row["height"], row["width"], row["channels"])
            pixels = from_bytes(bytes(row["pixels"]), shape, row["dtype"])
            stored[row["collection"], row["image_id"]] = pixels
        bad = frames.read(spark, kudu.settings, QUARANTINE, ["collection", "uri", "reason"])
        for row in bad.collect():
            reasons[f"{row['collection']}/{row['uri']}"] = row["reason"]
    return stored, reasons


def _outcome(
    row: dict[str, str],
    data: Path,
    stored: dict[tuple[str, str], Pixels],
    reasons: dict[str, str],
) -> str:
    if reasons.get(row["path"]):
        return "quarantined"
    image_id = hashlib.sha256((data / row["path"]).read_bytes()).hexdigest()
    pixels = stored.get((row["path"].split("/")[0], image_id))
    if pixels is None:
        return "lost"
    return "exact" if agreeing(pixels, row) else "stored, differs"


def _one(value: float) -> Spread:
    return Spread.of([float(value)])

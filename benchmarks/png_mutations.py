"""10,000 mutated PNG files: no crash, no hang, no array of another size than its header promises."""

from __future__ import annotations

from collections import Counter

from benchmarks.contestants import decoding
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread
from labelmill.errors import NoData

SEED = 4
HANG = 300.0
"""Seconds after which the whole lot hangs; it takes a few."""


def run(options: Options) -> Result:
    """Bit flips, cuts, spliced chunks and more, of every kind of PNG there is, in another process."""
    result = Result("png_mutations", __doc__ or "", options.quick, 1)
    try:
        suite = sorted(map(str, (resources.public_data("pngsuite") / "pngsuite").glob("*.png")))
    except NoData as absent:
        suite = []
        result.notes.append(f"Without PngSuite: {absent}.")
    count = options.size(10_000, 1_000)
    answers, wrong = decoding.in_a_process(["mutated", str(count), str(SEED), *suite], HANG)
    done = [one for one in answers if "name" in one]
    crashes = [f"{one['name']}: {one['crash']}" for one in done if "crash" in one]
    if wrong:
        crashes.append(f"after {len(done)} files the process {wrong}")
    decoded = [one for one in done if "shape" in one]
    wrong_size = [one["name"] for one in decoded if not one["fits"]]
    reasons = Counter(one["reason"] for one in done if "reason" in one)
    slowest = max((one["seconds"] for one in done), default=HANG)
    extra = answers[-1].get("extra_bytes", 0) if answers else 0
    result.rows = [
        Row("decoded", "files", _one(len(decoded)), "damage beside the pixels, or a sound picture"),
        *(Row(f"refused: {why}", "files", _one(n)) for why, n in reasons.most_common()),
        Row("slowest", "ms", _one(1000 * slowest)),
        Row("extra memory", "MiB", _one(extra / 2**20)),
    ]
    result.figures = [
        Figure("files tried", _one(len(done)), "files", at_least=count),
        Figure("crashes and hangs", _one(len(crashes)), "", at_most=0),
        Figure("arrays of a wrong size", _one(len(wrong_size)), "", at_most=0),
    ]
    result.notes += [f"Crash: {one}" for one in crashes[:5]]
    result.notes += [f"Wrong size: {one}" for one in wrong_size[:5]]
    result.notes.append(
        f"`labelmill.testing.png.mutations`, seed {SEED}, of one small file of every colour type, depth and "
        f"interlace method, with and without tRNS, and the {len(suite)} files of PngSuite."
    )
    result.limit = "Nothing here is about speed."
    return result


def _one(value: float) -> Spread:
    return Spread.of([float(value)])

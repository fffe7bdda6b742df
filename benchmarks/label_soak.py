"""A labelling stream's memory stays flat over thousands of micro-batches."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.contestants.soaking import HEAP_MIB, Look, Soak, fill, soak
from benchmarks.measure import jvm, resources
from benchmarks.measure.options import Options
from benchmarks.measure.processes import DRIVER, JVM, WORKERS
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread

PER_BATCH = 16
"""Images of a micro-batch: few, because what a micro-batch leaves behind does not depend on them."""

SETTLED = 1.03
"""Promised for the last quarter against the third one: the first half warms caches and compilers up."""

LIVE = 1.1
"""Promised for the bytes of live objects at the end against those at half-time."""

GROWN = 8
"""Classes named in the notes."""


def run(options: Options) -> Result:
    """The job as a process of its own, over a topic that is full before it starts."""
    result = Result("label_soak", __doc__ or "", options.quick, 1)
    batches = options.micro_batches or options.size(10_000, 200)
    seconds = 60 * (options.minutes or options.size(90, 3))
    with resources.scratch() as folder, resources.kudu(folder, options.say) as kudu:
        options.say(f"filling a topic with {batches * PER_BATCH:,} images")
        fill(kudu, batches * PER_BATCH)
        result.starts, result.restless = 1, int(not options.settle())
        options.say(f"labelling it in {batches:,} micro-batches")
        every = min(15.0, max(2.0, seconds / 100))
        seen = soak(kudu, folder, options.cores, batches, PER_BATCH, seconds, every, options.say)
    _tell(result, seen)
    return result


def _tell(result: Result, seen: Soak) -> None:
    quarter = max(1, len(seen.looks) // 4)
    third, last = seen.looks[-2 * quarter : -quarter] or seen.looks, seen.looks[-quarter:]

    def add(name: str, of: Callable[[Look], float], unit: str, note: str = "") -> None:
        early, late = (Spread.of(map(of, looks)) for looks in (seen.looks[:quarter], last))
        result.rows += [
            Row(f"{name}, first quarter", unit, early, note),
            Row(f"{name}, last quarter", unit, late),
        ]

    for part, how in ((JVM, "RSS"), (DRIVER, "RssAnon"), (WORKERS, "RssAnon of all")):
        add(part, lambda look, part=part: look.resident[part] / 2**20, "MiB", how)  # type: ignore[misc]
    for kind in (*jvm.KINDS, jvm.OTHER, jvm.UNTRACKED):
        add(f"JVM: {kind}", lambda look, kind=kind: look.kinds[kind] / 2**20, "MiB", "committed")  # type: ignore[misc]
    add("JVM: threads", lambda look: look.threads, "threads")
    pairs = list(zip(last, third, strict=False))
    for part in (JVM, DRIVER, WORKERS):
        ratio = Spread.of(a.resident[part] / max(b.resident[part], 1) for a, b in pairs)
        what = f"{part}: last quarter / third quarter"
        result.figures.append(Figure(what, ratio, at_most=SETTLED, judged=not result.quick))
    done = last[-1].batches - third[0].batches
    minutes = (last[-1].seconds - third[0].seconds) / 60
    more = (last[-1].resident[JVM] - third[0].resident[JVM]) / 2**20
    if done and minutes:
        result.notes.append(
            f"{last[-1].batches:,} micro-batches of {PER_BATCH} images of 28×28 in "
            f"{last[-1].seconds / 60:.1f} min; over the second half the JVM's resident memory changed by "
            f"{more:+.0f} MiB: {more / minutes:+.1f} MiB a minute, {1000 * more / done:+.1f} MiB per 1,000 "
            "micro-batches."
        )
    if len(seen.objects) == 2:
        live = [sum(size for _, size in one.values()) / 2**20 for one in seen.objects]
        result.rows.append(Row("JVM: live objects, half-time and end", "MiB", Spread.of(live)))
        ratio = Spread.of([live[1] / live[0]])
        what = "JVM, live objects: end / half-time"
        result.figures.append(Figure(what, ratio, at_most=LIVE, judged=not result.quick))
        grown = "; ".join(jvm.grown(*seen.objects, GROWN))
        result.notes.append(
            f"Live in the JVM's heap: {live[0]:.0f} MiB at half-time, {live[1]:.0f} MiB at the end. "
            f"What grew most: {grown or 'nothing'}."
        )
    result.limit = (
        "In local mode driver and executor share the JVM. A JVM takes its whole heap sooner or later, whatever "
        f"it needs; so the heap is fixed at {HEAP_MIB} MiB and touched at the start, what grows beside it shows "
        "in RSS, and what is needed in it is counted as live objects. Committed memory "
        "by kind comes from native memory tracking; what the process holds beside it is fragments of "
        "malloc and libraries, less what was committed and never touched."
    )

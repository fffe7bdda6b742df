"""Peak memory of driver and executor at 600,000 images, against 60,000."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants.commands import last_lines
from benchmarks.contestants.ingesting import submit_command
from benchmarks.data import sources
from benchmarks.measure import resources
from benchmarks.measure.machine import ROOT
from benchmarks.measure.options import Options
from benchmarks.measure.processes import DRIVER, JVM, WORKERS, MemoryWatch
from benchmarks.measure.resources import Kudu
from benchmarks.measure.results import Figure, Result, Row
from benchmarks.measure.timing import Spread

HEAP_MIB = 1024
"""The product's own default for the driver (`spark.driver.memory`)."""

SETTLED = 1.10
_COLLECTED = re.compile(r"Pause Full \(System\.gc\(\)\) \d+M->(\d+)M")


@dataclass(frozen=True)
class Peaks:
    """MiB of one run of the job, and its seconds."""

    driver_python: float
    jvm: float
    live_heap: float
    workers: float
    driver: float
    seconds: float


def run(options: Options) -> Result:
    """The job as a process of its own, small and large in turn."""
    result = Result("ingest_memory", __doc__ or "", options.quick, min(options.repetitions, 2))
    small = options.size(60_000, 2_000)
    large = 10 * small
    measured: dict[int, list[Peaks]] = {small: [], large: []}
    with resources.scratch() as folder, resources.kudu(folder, options.say) as kudu:
        for count in measured:
            options.say(f"writing {count:,} files")
            sources.counted(folder / str(count), count)
        for repetition in range(result.repetitions):
            for count in measured:
                result.starts += 1
                result.restless += not options.settle()
                peaks = _job(kudu, folder, count, repetition, options)
                measured[count].append(peaks)
                options.say(f"{count:,} images: {peaks}")
    _tell(result, measured, small, large)
    return result


def _job(kudu: Kudu, folder: Path, count: int, repetition: int, options: Options) -> Peaks:
    name = f"memory-{count}-{repetition}"
    log, collections = folder / f"{name}.log", folder / f"{name}.gc"
    quiet = f"-Dlog4j2.configurationFile=file:{ROOT}/conf/log4j2.properties"
    heap = f"-Xms{HEAP_MIB}m -XX:+AlwaysPreTouch -Xlog:gc:file={collections}"
    command = submit_command(
        folder / str(count), name, options.cores,
        "--conf", f"spark.driver.memory={HEAP_MIB}m",
        "--conf", f"spark.driver.extraJavaOptions={quiet} {heap}",
        "--conf", "spark.cleaner.periodicGC.interval=2s",
    )  # fmt: skip
    started = time.perf_counter()
    with log.open("wb") as output:
        job = subprocess.Popen(
            command, env=kudu.environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            with MemoryWatch(job.pid) as watch:
                code = job.wait()
        finally:
            if job.poll() is None:
                job.terminate()
                job.wait()
    if code:
        raise RuntimeError(f"the job ended with {code}:\n{last_lines(log)}")
    live = [int(size) for size in _COLLECTED.findall(collections.read_text())]
    mib = {part: size / 2**20 for part, size in watch.peaks.items()}
    return Peaks(
        round(mib[DRIVER]),
        round(mib[JVM]),
        max(live, default=0),
        round(mib[WORKERS]),
        round(watch.peak_driver / 2**20),
        round(time.perf_counter() - started, 1),
    )


def _tell(result: Result, measured: dict[int, list[Peaks]], small: int, large: int) -> None:
    parts = {
        "driver": "driver: Python and JVM together",
        "driver_python": "driver's Python (PSS)",
        "jvm": f"JVM (RSS; heap of {HEAP_MIB} MiB touched at its start)",
        "live_heap": "live in the JVM's heap, after full collections",
        "workers": "executor: all Python workers together (PSS)",
    }
    for field, name in parts.items():
        spreads = {}
        for count, peaks in measured.items():
            spreads[count] = Spread.of(getattr(one, field) for one in peaks)
            result.rows.append(
                Row(f"{field.replace('_', ' ')}, {count:,}", "MiB", spreads[count], name)
            )
        pairs = zip(measured[large], measured[small], strict=True)
        ratio = Spread.of(getattr(a, field) / max(getattr(b, field), 1) for a, b in pairs)
        promised = SETTLED if field in ("driver", "driver_python", "workers") else None
        result.figures.append(
            Figure(
                f"{name}: {large:,} / {small:,}", ratio, at_most=promised, judged=not result.quick
            )
        )
    seconds = {count: [one.seconds for one in peaks] for count, peaks in measured.items()}
    result.limit = (
        "In local mode driver and executor share the JVM. A JVM takes its whole heap sooner or later, "
        f"whatever it needs; so the heap is fixed at {HEAP_MIB} MiB and touched at the start, what grows "
        "beside it shows in RSS, and what is needed in it shows after the full collection that Spark is "
        "told to make every 2 s."
    )
    result.notes.append(
        f"`bin/submit --master local[N] jobs/ingest_images.py` over {small:,} and {large:,} different "
        f"28×28 PNG files in ten folders ({min(seconds[small])} s and {min(seconds[large])} s, slowed "
        "by the collections). Sampled every 0.2 s; Kudu's servers are not counted."
    )

"""A .tar.gz of PNG files to rows in Kudu, against a bare loop over the same archive."""

from __future__ import annotations

from benchmarks.harness import bare_loop, heaps, places
from benchmarks.harness.ingesting import race_bare_loops
from benchmarks.harness.options import Options
from benchmarks.harness.results import Result


def run(options: Options) -> Result:
    """All 70,000 images of MNIST in the archive they come in."""
    data = places.public_data(heaps.MNIST)
    result = Result("ingest_tar", __doc__ or "", options.quick, options.repetitions)
    with places.scratch() as folder:
        heap = heaps.mnist_archive(data, folder, 2_000 if options.quick else None)
        race_bare_loops(
            result, options, folder, heap,
            lambda pool: bare_loop.archive_loops(pool, heap, options.cores),
            at_least=0.4, aim=0.8,
        )  # fmt: skip
    result.notes.append(
        f"{heap.files:,} members, {heap.size / 2**20:.0f} MiB of files. Two honest bare loops; the "
        "figure holds ingest against the faster one. Nobody unpacks to disk."
    )
    return result

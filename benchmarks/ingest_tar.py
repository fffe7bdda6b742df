"""A .tar.gz of PNG files to rows in Kudu, against a bare loop over the same archive."""

from __future__ import annotations

from benchmarks.contestants import bare_loop
from benchmarks.contestants.ingesting import COMPARED, race_bare_loops
from benchmarks.data import sources
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Result

__all__ = ["COMPARED", "run"]


def run(options: Options) -> Result:
    """All 70,000 images of MNIST in the archive they come in."""
    data = resources.public_data(sources.MNIST)
    result = Result("ingest_tar", __doc__ or "", options.quick, options.repetitions)
    with resources.scratch() as folder:
        source = sources.mnist_archive(data, folder, 2_000 if options.quick else None)
        race_bare_loops(
            result, options, folder, source,
            lambda pool: bare_loop.archive_loops(pool, source, options.cores),
            at_least=0.4, aim=0.8,
        )  # fmt: skip
    result.notes.append(
        f"{source.files:,} members, {source.size / 2**20:.0f} MiB of files. Two honest bare loops; the "
        "figure holds ingest against the faster one. Nobody unpacks to disk."
    )
    return result

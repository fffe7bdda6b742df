"""PNG files on disk to rows in Kudu, against a bare loop of read + Pillow decode + SHA-256."""

from __future__ import annotations

from benchmarks.contestants import bare_loop
from benchmarks.contestants.ingesting import COMPARED, race_bare_loops
from benchmarks.data import sources
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Result

__all__ = ["COMPARED", "run"]


def run(options: Options) -> Result:
    """MNIST's 60,000 training images, unpacked once."""
    data = resources.public_data(sources.MNIST)
    result = Result("ingest_png", __doc__ or "", options.quick, options.repetitions)
    with resources.scratch() as folder:
        options.say("unpacking")
        source = sources.mnist_folder(data, folder / "heap", options.size(60_000, 2_000))
        race_bare_loops(
            result, options, folder, source,
            lambda pool: [bare_loop.folder_loop(pool, source, options.cores)],
            at_least=0.5, aim=1.0,
        )  # fmt: skip
    result.notes.append(
        f"{source.files:,} files, {source.size / 2**20:.0f} MiB, in ten folders; in the page cache for "
        "everybody. The bare loop keeps and writes nothing; Kudu's servers run on the same cores."
    )
    return result

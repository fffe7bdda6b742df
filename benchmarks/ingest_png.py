"""PNG files on disk to rows in Kudu, against a bare loop of read + Pillow decode + SHA-256."""

from __future__ import annotations

from benchmarks.harness import bare_loop, heaps, places
from benchmarks.harness.ingesting import race_bare_loops
from benchmarks.harness.options import Options
from benchmarks.harness.results import Result


def run(options: Options) -> Result:
    """MNIST's 60,000 training images, unpacked once."""
    data = places.public_data(heaps.MNIST)
    result = Result("ingest_png", __doc__ or "", options.quick, options.repetitions)
    with places.scratch() as folder:
        options.say("unpacking")
        heap = heaps.mnist_folder(data, folder / "heap", options.size(60_000, 2_000))
        race_bare_loops(
            result, options, folder, heap,
            lambda pool: [bare_loop.folder_loop(pool, heap, options.cores)],
            at_least=0.5, aim=1.0,
        )  # fmt: skip
    result.notes.append(
        f"{heap.files:,} files, {heap.size / 2**20:.0f} MiB, in ten folders; in the page cache for "
        "everybody. The bare loop keeps and writes nothing; Kudu's servers run on the same cores."
    )
    return result

"""768×512 RGB photographs to rows in Kudu, against a bare loop of read + Pillow decode + SHA-256."""

from __future__ import annotations

from benchmarks.harness import bare_loop, heaps, places
from benchmarks.harness.ingesting import race_bare_loops
from benchmarks.harness.options import Options
from benchmarks.harness.results import Result


def run(options: Options) -> Result:
    """320 photographs, made of Kodak's eight by mirroring and shifting."""
    data = places.public_data(heaps.KODAK)
    result = Result("ingest_photos", __doc__ or "", options.quick, options.repetitions)
    with places.scratch() as folder:
        options.say("encoding photographs")
        heap = heaps.photographs(data, folder / "heap", options.size(320, 32), options.cores)
        race_bare_loops(
            result, options, folder, heap,
            lambda pool: [bare_loop.folder_loop(pool, heap, options.cores, chunk=4)],
            at_least=0.6, aim=0.9,
        )  # fmt: skip
    pixels = heap.files * 768 * 512 * 3
    result.notes.append(
        f"{heap.files:,} files, {heap.size / 2**20:.0f} MiB, of {pixels / 2**20:.0f} MiB of pixels, "
        "which all go to Kudu in chunks; the bare loop keeps and writes nothing."
    )
    return result

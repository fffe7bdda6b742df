"""768×512 RGB photographs to rows in Kudu, against a bare loop of read + Pillow decode + SHA-256."""

from __future__ import annotations

from benchmarks.contestants import bare_loop
from benchmarks.contestants.ingesting import COMPARED, race_bare_loops
from benchmarks.data import sources
from benchmarks.measure import resources
from benchmarks.measure.options import Options
from benchmarks.measure.results import Result

__all__ = ["COMPARED", "run"]


def run(options: Options) -> Result:
    """320 photographs, made of Kodak's eight by mirroring and shifting."""
    data = resources.public_data(sources.KODAK)
    result = Result("ingest_photos", __doc__ or "", options.quick, options.repetitions)
    with resources.scratch() as folder:
        options.say("encoding photographs")
        source = sources.photographs(data, folder / "heap", options.size(320, 32), options.cores)
        race_bare_loops(
            result, options, folder, source,
            lambda pool: [bare_loop.folder_loop(pool, source, options.cores, chunk=4)],
            at_least=0.6, aim=0.9,
        )  # fmt: skip
    pixels = source.files * 768 * 512 * 3
    result.notes.append(
        f"{source.files:,} files, {source.size / 2**20:.0f} MiB, of {pixels / 2**20:.0f} MiB of pixels, "
        "which all go to Kudu in chunks; the bare loop keeps and writes nothing."
    )
    return result

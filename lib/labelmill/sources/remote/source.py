"""A folder tree behind a URI: any file system that Spark's Hadoop knows, else one that pyarrow knows.

The order is that of the paths. Held by the driver are the names of one folder and of the folders on the
way down to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

from pyspark.sql import SparkSession

from labelmill.domain.images.paths import uri_of
from labelmill.errors import InputError
from labelmill.sources.base import SourceOptions, Wave, WaveBuilder
from labelmill.sources.file_filter import leave_out, why_left_out
from labelmill.sources.remote.arrow import ArrowFiles
from labelmill.sources.remote.hadoop import HadoopFiles, NoSuchFileSystem
from labelmill.sources.remote.hadoop_waves import File, HadoopWaves

Listing = Callable[[str], Iterator[tuple[str, int | None]]]
"""From a folder below the root (with ``/`` at its end) to names and sizes; None for a folder."""


class UriHeap:
    """See `labelmill.sources.base.Heap`."""

    def __init__(self, spark: SparkSession, options: SourceOptions) -> None:
        """Looks the folder up.

        Raises:
            InputError: No file system for the URI, no such folder, or nobody answers.
        """
        self.name = options.source
        self.root = ""
        self.total: int | None = None
        self.skipped: Counter[str] = Counter()
        self._limit = options.limit
        self._hadoop: HadoopWaves | None = None
        self._listed: Listing
        try:
            files = HadoopFiles(spark, options.source)
            self._hadoop, self._listed = HadoopWaves(spark, files), files.listed
        except NoSuchFileSystem as unknown:
            try:
                others = ArrowFiles(options.source)
            except ValueError as error:
                raise InputError(
                    f"no file system for {options.source}: Spark says {unknown}; pyarrow says {error}. "
                    "A file system's jar goes in with `bin/submit --packages …`"
                ) from None
            self.root, self._listed = others.root, others.listed

    def waves(self) -> Iterator[Wave]:
        """See `Heap.waves`."""
        listed = islice(walk(self._listed, self.skipped), self._limit)
        return self._hadoop.waves(listed) if self._hadoop else _named(listed)


def walk(listed: Listing, skipped: Counter[str]) -> Iterator[File]:
    """Paths and sizes of the images of a tree, in the order of whole paths.

    Args:
        listed: Lists one folder.
        skipped: Counts what is left out.
    """
    # From the last to the first, so that the next one is taken from the end.
    waiting = _sorted(listed, "", skipped)
    while waiting:
        path, size = waiting.pop()
        if path.endswith("/"):
            waiting += _sorted(listed, path, skipped)
        else:
            yield path, size


def _sorted(listed: Listing, below: str, skipped: Counter[str]) -> list[File]:
    found: list[File] = []
    for name, size in listed(below):
        if name.startswith("."):
            skipped["hidden"] += 1
        elif size is None:
            # With its separator a folder sorts among files as its paths do.
            found.append((f"{below}{name}/", 0))
        elif reason := why_left_out(name):
            leave_out(skipped, reason)
        else:
            found.append((below + name, size))
    found.sort(reverse=True)
    return found


def _named(listed: Iterator[File]) -> Iterator[Wave]:
    wave = WaveBuilder()
    for path, _ in listed:
        # The bytes stay where they are until a worker opens the file: they fill no wave.
        wave.add(uri_of(path), 0)
        if wave.is_full():
            yield wave.take()
    if wave.count:
        yield wave.take()

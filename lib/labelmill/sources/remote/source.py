"""A folder tree at a URI: any file system that Spark's Hadoop knows, else one that pyarrow knows.

Files come in the order of their paths. The driver holds the names in one folder and in the folders on the
way down to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice

from pyspark.sql import SparkSession

from labelmill.domain.images.folders import ALONE, FolderScan
from labelmill.domain.images.paths import uri_of
from labelmill.errors import InputError
from labelmill.sources.base import LATE_FOLDERS, WAVE_FILES, SourceOptions, Wave, WaveBuilder
from labelmill.sources.file_filter import leave_out, why_left_out
from labelmill.sources.remote.arrow import ArrowFiles
from labelmill.sources.remote.hadoop import HadoopFiles, NoSuchFileSystem
from labelmill.sources.remote.hadoop_waves import File, HadoopWaves

Listing = Callable[[str], Iterator[tuple[str, int | None]]]
"""From a folder below the root (with a final ``/``) to names and sizes; None for a folder."""


class UriSource:
    """A URI; see `labelmill.sources.base.ImageSource`."""

    default_labels = "folder"

    def __init__(self, spark: SparkSession, options: SourceOptions) -> None:
        """Looks the folder up.

        Raises:
            InputError: No file system for the URI, no such folder, or no answer.
        """
        self.name = options.source
        self.root = ""
        self.total: int | None = None
        self.skipped: Counter[str] = Counter()
        self.layout, self.notes = ALONE, list[str]()
        self._limit = options.limit
        self._hadoop: HadoopWaves | None = None
        self._list_folder: Listing
        try:
            files = HadoopFiles(spark, options.source)
            self._hadoop, self._list_folder = HadoopWaves(spark, files), files.list_folder
        except NoSuchFileSystem as unknown:
            try:
                others = ArrowFiles(options.source)
            except ValueError as error:
                raise InputError(
                    f"no file system for {options.source}: Spark says {unknown}; pyarrow says {error}. "
                    "Add the file system's jar with `bin/submit --packages …`"
                ) from None
            self.root, self._list_folder = others.root, others.list_folder

    def waves(self) -> Iterator[Wave]:
        """See `ImageSource.waves`. The folders are those of the first files."""
        scan = FolderScan()
        files = self._scanned(scan)
        first = list(islice(files, WAVE_FILES))
        self.layout = scan.layout()
        named = chain(first, files)
        del first
        yield from self._hadoop.waves(named) if self._hadoop else _named_waves(named)
        if scan.layout() != self.layout:
            self.notes.append(LATE_FOLDERS)

    def _scanned(self, scan: FolderScan) -> Iterator[File]:
        for file in islice(walk(self._list_folder, self.skipped), self._limit):
            scan.add(uri_of(file[0]))
            yield file


def walk(list_folder: Listing, skipped: Counter[str]) -> Iterator[File]:
    """Paths and sizes of the images of a tree, in the order of whole paths.

    Args:
        list_folder: Lists one folder.
        skipped: Counts what is left out.
    """
    # In reverse order, so that the next one is popped from the end.
    waiting = _list_reversed(list_folder, "", skipped)
    while waiting:
        path, size = waiting.pop()
        if path.endswith("/"):
            waiting += _list_reversed(list_folder, path, skipped)
        else:
            yield path, size


def _list_reversed(list_folder: Listing, below: str, skipped: Counter[str]) -> list[File]:
    files: list[File] = []
    for name, size in list_folder(below):
        if name.startswith("."):
            skipped["hidden"] += 1
        elif size is None:
            # With its separator a folder sorts among the files as its paths do.
            files.append((f"{below}{name}/", 0))
        elif reason := why_left_out(name):
            leave_out(skipped, reason)
        else:
            files.append((below + name, size))
    files.sort(reverse=True)
    return files


def _named_waves(files: Iterator[File]) -> Iterator[Wave]:
    wave = WaveBuilder()
    for path, _ in files:
        # Only the name travels; the bytes stay there until a worker opens the file.
        wave.add(uri_of(path), 0)
        if wave.is_full():
            yield wave.take()
    if wave.count:
        yield wave.take()

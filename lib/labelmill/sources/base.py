"""What every source of images yields: waves of files, in a fixed order and of bounded size.

A source is read once, in waves; what is held of it in memory does not grow with the number of files.
Names of files are data: they are never resolved, except below the source's root where a worker opens
them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
from pyspark.sql import DataFrame

from labelmill.domain.images.folders import FolderLayout

WAVE_FILES = 65_536
"""Most files of a wave: what the driver holds per file is small but not nothing."""

WAVE_BYTES = 64 << 20
"""Most file bytes of a wave; a single larger file is a wave of its own."""

WAVE_PIXELS = 512 << 20
"""About how many bytes of decoded pixels a wave has: files may be compressed a thousandfold."""

ARCHIVED_FILE_CAP = 96 << 20
"""Largest file whose bytes travel with a wave: they go to a worker inside a task, and Spark aborts on
a task of 128 MiB (spark.rpc.message.maxSize). A wave of more than one file holds less."""

FILE_CAP = 512 << 20
"""Largest file that a worker opens; no image within the default pixel cap needs more."""

LATE_FOLDERS = (
    "folders that came after the first files change what the folders before them mean (which are splits, "
    "which all files share); classes and splits follow the first files: look at them above, or unpack "
    "the source and ingest the folder"
)
"""Note of a source whose names are known only as it is read."""

FILES = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("data", pa.binary()),
        pa.field("class", pa.string()),
        pa.field("split", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("attributes", pa.string()),
        pa.field("source_time", pa.timestamp("us", "UTC")),
        pa.field("fault", pa.string()),
    ]
)
"""One row per file.

``uri``         path below the root, POSIX, as `labelmill.domain.images.paths.uri_of` writes it; or another
                name of the file for people (``images.idx#12``, ``topic/0/17``)
``size``        bytes of the file; 0 where only the worker that opens it can tell
``data``        the bytes; null where the worker reads ``root/uri`` (or the file is above
                `ARCHIVED_FILE_CAP`, which the worker quarantines)
``class``       as the source gives it; null: none, or the label rule's when ``origin`` is null
``split``       ``train``, ``validation``, ``test``; null: from the path
``origin``      where the class comes from: ``manifest``, ``idx``, ``message``; null: the label rule
``attributes``  JSON object, or null
``source_time`` when the image was made, UTC, or null
``fault``       ``REASON: message`` of a file that the source already knows to be bad, or null
"""


@dataclass
class Wave:
    """Files that are decoded and written together.

    Attributes:
        files: Rows of `FILES`: a table made on the driver, or a DataFrame that executors read.
        count: Number of files; None where only executors know.
        bytes: Bytes of the files, as far as known.
        pixels: Bytes of decoded pixels, as far as headers or a sample of them tell.
        parts: For a DataFrame: the same files in smaller waves. To be ingested in its place when
            executors return fewer than `count`, or fail with an error of the file system: Spark's
            readers do not say which file it was.
        convert: For a DataFrame of other rows: makes rows of `FILES` of them, in the worker that
            ingests the files. Picklable.
    """

    files: pa.Table | DataFrame
    count: int | None = None
    bytes: int = 0
    pixels: int = 0
    parts: Callable[[], Iterator[Wave]] | None = None
    convert: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]] | None = None


@dataclass(frozen=True)
class SourceOptions:
    """What a user says about a source.

    Attributes:
        source: Folder, archive, IDX file, manifest, URI or ``kafka:TOPIC``.
        limit: At most this many files, the first in order; None: all.
        uri: For a manifest without a column of paths: how a path is built from a row's columns, for
            example ``train/{id}.png``.
        label_columns: For a manifest with a column a class: the columns; the one that holds 1 is the
            class.
        transpose: For IDX: exchange rows and columns of each image, as EMNIST needs.
        mapping: For IDX: a file of lines ``LABEL CODE …``; the character of the first code is the class.
        zip_encoding: For zip: how names are encoded that the archive does not say to be UTF-8.
    """

    source: str
    limit: int | None = None
    uri: str = ""
    label_columns: tuple[str, ...] = ()
    transpose: bool = False
    mapping: str = ""
    zip_encoding: str = ""


class ImageSource(Protocol):
    """A collection of image files; read once.

    Attributes:
        name: As the user wrote it; for reports.
        root: Folder or URI below which workers open files; empty where the bytes travel along.
        total: Number of files, when known before reading.
        skipped: Files left out so far: reason → number.
        default_labels: The rule for classes where the user gives none: ``folder`` or ``none``.
        layout: What the folders mean, from the first wave on.
        notes: What people should know about how the source was read, complete after the last wave.
    """

    name: str
    root: str
    total: int | None
    skipped: Counter[str]
    default_labels: str
    layout: FolderLayout
    notes: list[str]

    def waves(self) -> Iterator[Wave]:
        """The files, in order; call it once.

        Raises:
            InputError: The source is damaged or unreadable from here on; earlier waves were good.
        """
        ...


@dataclass
class WaveBuilder:
    """Collects files until a wave is full.

    Columns that a source never fills stay null.
    """

    rows: dict[str, list[Any]] = field(default_factory=dict)
    count: int = 0
    bytes: int = 0
    pixels: int = 0
    names: int = 0

    def add(self, uri: str, size: int, pixels: int = 0, **columns: Any) -> None:
        """Adds one file.

        Args:
            uri: See `FILES`.
            size: Bytes of the file.
            pixels: Bytes of its decoded array, as far as known.
            columns: Further columns of `FILES`; the same for every file of a source.
        """
        for name, value in {"uri": uri, "size": size, **columns}.items():
            self.rows.setdefault(name, []).append(value)
        self.count += 1
        self.bytes += len(columns.get("data") or b"") if "data" in columns else size
        self.pixels += pixels
        self.names += len(uri)

    def add_named(self, uris: list[str]) -> None:
        """Adds files known only by name."""
        self.rows.setdefault("uri", []).extend(uris)
        self.rows.setdefault("size", []).extend([0] * len(uris))
        self.count += len(uris)
        self.names += sum(map(len, uris))

    @property
    def room(self) -> int:
        """How many more files the wave may have."""
        return WAVE_FILES - self.count

    def has_room(self, size: int) -> bool:
        """Whether a further file of `size` bytes keeps the wave within `WAVE_BYTES`, names included."""
        return not self.count or self.bytes + self.names + size <= WAVE_BYTES

    def is_full(self) -> bool:
        """Whether no further file should be added."""
        return (
            self.count >= WAVE_FILES
            or self.bytes + self.names >= WAVE_BYTES
            or self.pixels >= WAVE_PIXELS
        )

    def take(self) -> Wave:
        """The wave so far; the builder is empty afterwards."""
        columns = [
            pa.array(self.rows[f.name], f.type)
            if f.name in self.rows
            else pa.nulls(self.count, f.type)
            for f in FILES
        ]
        wave = Wave(
            pa.Table.from_arrays(columns, schema=FILES), self.count, self.bytes, self.pixels
        )
        self.rows, self.count, self.bytes, self.pixels, self.names = {}, 0, 0, 0, 0
        return wave

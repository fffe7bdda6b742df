"""Runs on executors: files in, rows written to Kudu, one short summary a batch out.

A worker reads, hashes, decodes and writes by itself, so pixels never pass through Spark. Chunks are
acknowledged before images and images before annotations: an image that exists is whole. Every write is
insert-ignore on deterministic keys, so a task that runs twice (a retry, speculation, a job that was
killed and is run again) changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any

import pyarrow as pa

from labelmill.domain.codecs import read_image
from labelmill.domain.images.image import image_id_of
from labelmill.domain.images.label_rules import Labelling
from labelmill.domain.images.paths import split_of_path
from labelmill.errors import ImageError
from labelmill.pipelines.ingest.row_builder import ImageRows
from labelmill.settings import Settings
from labelmill.sources.base import ARCHIVED_FILE_CAP, FILES
from labelmill.sources.file_reader import Reader, reader, too_large
from labelmill.sources.metadata import merged_attributes
from labelmill.spark import worker_process
from labelmill.store.client import RowClient
from labelmill.store.connect import shared_client
from labelmill.store.schema.tables import ANNOTATIONS, CELL_BYTES, IMAGE_CHUNKS, IMAGES, QUARANTINE

BATCH_FILES, BATCH_BYTES = 2000, 16 << 20
"""A worker holds about so much before it writes: whole flushes of the row client."""

NAME_BYTES, LABEL_BYTES = 8192, 1024
"""Longest name and class: both go into keys, which Kudu bounds at 16 KiB."""

NO_ID = bytes(32)

SAMPLES = 10
"""Bad files of a batch that are shown to people."""

SUMMARY = pa.schema(
    [
        ("files", pa.int64()),
        ("ids", pa.binary()),
        ("bytes", pa.int64()),
        ("annotations", pa.int64()),
        ("reasons", pa.map_(pa.string(), pa.int64())),
        ("samples", pa.list_(pa.list_(pa.string()))),
        ("read", pa.float64()),
        ("decode", pa.float64()),
        ("write", pa.float64()),
    ]
)
"""One row a batch: files, their ids (32 bytes each, in order, `NO_ID` for a bad one), bytes of the good
ones, annotations sent, bad files by reason, the first of them (uri, reason, message), and seconds by
kind of work."""


@dataclass(frozen=True)
class Taking:
    """What workers need to know of one run.

    Attributes:
        settings: Where Kudu is, the pixel cap.
        collection: Name that the images get.
        root: Folder or URI below which files are opened; empty where the bytes travel along.
        labelling: Where classes come from when the source names none.
        now: Time of the run, UTC; new rows carry it.
        mends: The collection has quarantined files, some of which may be good now.
        annotated: The collection had annotations before this run.
        dry: Write nothing.
    """

    settings: Settings
    collection: str
    root: str
    labelling: Labelling
    now: datetime
    mends: bool = False
    annotated: bool = False
    dry: bool = False

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches of `FILES` to batches of `SUMMARY`, one row each.

        Raises:
            InputError: The root is not visible from this worker.
            StoreError: Kudu refused or did not answer.
        """
        read = reader(self.root)
        batch = _Batch(self)
        for files in batches:
            for row in _rows(files):
                batch.add(row, read)
                if batch.is_full():
                    yield batch.finish()
                    batch = _Batch(self)
        if batch.files:
            yield batch.finish()


def take_stream(taking: Taking, stream: bytes) -> list[bytes]:
    """The same for an Arrow stream of `FILES`; one Arrow stream of `SUMMARY` comes back, if any."""
    with pa.ipc.open_stream(stream) as batches:
        summaries = list(taking(batches))
    if not summaries:
        return []
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SUMMARY) as writer:
        for summary in summaries:
            writer.write_batch(summary)
    return [sink.getvalue().to_pybytes()]


def _rows(files: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    # Most sources fill few columns; to list nulls would cost more than to repeat one.
    columns = [files.column(name) for name in FILES.names]
    return zip(*(_values(column) for column in columns), strict=True)


def _values(column: pa.Array) -> Iterable[Any]:
    if column.null_count == len(column):
        return repeat(None, len(column))
    if pa.types.is_timestamp(column.type):
        # Microseconds: Python's datetime ends with the year 9999, data do not.
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def said_of(
    labelling: Labelling,
    uri: str,
    label: str | None,
    split: str | None,
    attributes: str | None,
    origin: str | None,
) -> tuple[str | None, str | None, str | None]:
    """Class, split and attributes of a file: what the source says, else what its path says."""
    if origin is None:
        label, said = labelling.read(uri)
        attributes = merged_attributes(said, attributes)
    return label, split or split_of_path(uri), attributes


def _fitting_name(uri: str) -> str:
    """The name, or one that stands for it where Kudu's keys have no room for it."""
    if len(uri) <= NAME_BYTES // 4 or len(uri.encode()) <= NAME_BYTES:
        return uri
    return f"{uri[:200]}… ({image_id_of(uri.encode())})"


def _check_cells(label: str | None, attributes: str | None) -> None:
    if label is not None and len(label.encode()) > LABEL_BYTES:
        raise ImageError("bad_label", f"a class of {len(label):,} letters, {label[:80]!r}…")
    if attributes is not None and len(attributes.encode()) > CELL_BYTES:
        raise ImageError(
            "bad_attributes", f"{len(attributes):,} letters of attributes; {CELL_BYTES:,} bytes fit"
        )


class _Batch:
    """Files on their way to Kudu, with what is told about them."""

    def __init__(self, taking: Taking) -> None:
        self._taking = taking
        self._rows = ImageRows(taking.collection, taking.now)
        self._ids: list[bytes] = []
        self._good: list[str] = []
        self._reasons: Counter[str] = Counter()
        self._samples: list[list[str]] = []
        self.files = self._bytes = self._annotations = 0
        self._read = self._decode = self._write = 0.0

    def is_full(self) -> bool:
        return self.files >= BATCH_FILES or self._rows.held_bytes >= BATCH_BYTES

    def add(self, row: tuple[Any, ...], read: Reader) -> None:
        """Reads and decodes one file; a bad one is told, never raised."""
        uri, size, data, label, split, origin, attributes, source_time, fault = row
        self.files += 1
        self._ids.append(NO_ID)
        image_id = None
        began = read_at = time.perf_counter()
        try:
            if (name := _fitting_name(uri)) != uri:
                uri = name
                raise ImageError("name_too_long", f"names of up to {NAME_BYTES:,} bytes are taken")
            if fault:
                reason, _, message = fault.partition(": ")
                raise ImageError(reason, message)
            if data is None:
                if not self._taking.root:
                    raise too_large(size, ARCHIVED_FILE_CAP, "; unpack the archive for larger ones")
                data = read(uri)
            size = len(data)
            read_at = time.perf_counter()
            # The bytes' identity is worth having for a bad file too.
            image_id = image_id_of(data)
            pixels = read_image(data, self._taking.settings.pixel_cap, uri)
            labelling = self._taking.labelling
            try:
                label, split, attributes = said_of(labelling, uri, label, split, attributes, origin)
                _check_cells(label, attributes)
            except (ValueError, RecursionError) as error:
                if isinstance(error, ImageError):
                    raise
                raise ImageError("bad_attributes", f"no JSON object: {error}") from None
            self._rows.image(image_id, pixels, uri, size, split, attributes, source_time)
            self._ids[-1] = bytes.fromhex(image_id)
            self._bytes += size
            if label is not None:
                self._rows.annotation(image_id, origin or labelling.origin, label, uri)
                self._annotations += 1
            if self._taking.mends:
                self._good.append(uri)
        except ImageError as error:
            self._bad(uri, error.reason, str(error), image_id, data, size)
        except (OSError, MemoryError) as error:
            self._bad(uri, "unreadable", f"cannot be read: {error}", image_id, data, size)
        self._read += read_at - began
        self._decode += time.perf_counter() - read_at

    def finish(self) -> pa.RecordBatch:
        """Writes what was gathered and tells about it."""
        began = taken = time.perf_counter()
        if not self._taking.dry:
            rows = self._rows.take()
            taken = time.perf_counter()
            client = shared_client(self._taking.settings)
            worker_process.tune()
            self._store(client, rows)
        self._decode += taken - began
        self._write = time.perf_counter() - taken
        summary = {
            "files": self.files,
            "ids": b"".join(self._ids),
            "bytes": self._bytes,
            "annotations": self._annotations,
            "reasons": list(self._reasons.items()),
            "samples": self._samples,
            "read": self._read,
            "decode": self._decode,
            "write": self._write,
        }
        return pa.RecordBatch.from_pylist([summary], SUMMARY)

    def _bad(
        self,
        uri: str,
        reason: str,
        message: str,
        image_id: str | None,
        data: bytes | None,
        size: int,
    ) -> None:
        self._rows.fault(uri, reason, message, image_id, data or b"", size)
        self._reasons[reason] += 1
        if len(self._samples) < SAMPLES:
            self._samples.append([uri[:200], reason, message[:200]])

    def _store(self, client: RowClient, rows: dict[str, pa.Table]) -> None:
        for table in (IMAGE_CHUNKS, IMAGES, ANNOTATIONS):
            if len(rows[table.name]):
                client.write(table, rows[table.name], "insert_ignore")
        self._quarantine(client, rows["quarantine"])

    def _quarantine(self, client: RowClient, bad: pa.Table) -> None:
        collection = self._taking.collection
        if self._good:
            mended = [{"collection": collection, "uri": uri} for uri in self._good]
            client.write(QUARANTINE, mended, "delete_ignore")
        if not len(bad):
            return
        if self._taking.mends:
            # A file that is there with the same bytes and reason keeps the time it was first seen.
            where = {"collection": collection, "uri": bad["uri"].to_pylist()}
            known = {
                (row["uri"], row["sha256"], row["reason"])
                for row in client.scan(QUARANTINE, ["uri", "sha256", "reason"], where)
            }
            columns = (bad[name].to_pylist() for name in ("uri", "sha256", "reason"))
            named = zip(*columns, strict=True)
            bad = bad.filter(pa.array([name not in known for name in named]))
        client.write(QUARANTINE, bad)

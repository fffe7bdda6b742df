"""Runs on executors: files that are decoded and written to Kudu together.

Chunks are acknowledged before images and images before annotations: an image that exists is whole. Every
write is insert-ignore on deterministic keys, so a task that runs twice (a retry, speculation, a job that
was killed and is run again) changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pyarrow as pa

from labelmill.domain.codecs import guesses_colours, read_image
from labelmill.domain.images.class_names import normal_class
from labelmill.domain.images.folders import FolderLayout
from labelmill.domain.images.image import image_id_of
from labelmill.domain.images.label_rules import LabelRule
from labelmill.domain.splits.held_out import ORDER
from labelmill.errors import ImageError
from labelmill.pipelines.ingest.row_builder import ImageRows
from labelmill.pipelines.ingest.task import IngestTask
from labelmill.sources.base import ARCHIVED_FILE_CAP
from labelmill.sources.file_reader import Reader, too_large
from labelmill.sources.metadata import merge_attributes
from labelmill.spark import worker_process
from labelmill.store.client import RowClient
from labelmill.store.connect import separate_collectors, shared_client
from labelmill.store.schema.tables import ANNOTATIONS, CELL_BYTES, IMAGE_CHUNKS, IMAGES, QUARANTINE

BATCH_FILES, BATCH_BYTES = 2000, 16 << 20
"""A worker holds about this much before it writes: whole flushes of the row client."""

NAME_BYTES, LABEL_BYTES = 8192, 1024
"""Longest name and class: both go into keys, which Kudu limits to 16 KiB."""

NO_ID = bytes(32)

SAMPLES = 10
"""Bad files of a batch that the report shows."""

SUMMARY = pa.schema(
    [
        ("files", pa.int64()),
        ("ids", pa.binary()),
        ("split_codes", pa.binary()),
        ("bytes", pa.int64()),
        ("annotations", pa.int64()),
        ("reasons", pa.map_(pa.string(), pa.int64())),
        ("samples", pa.list_(pa.list_(pa.string()))),
        ("classes", pa.map_(pa.string(), pa.int64())),
        ("splits", pa.map_(pa.string(), pa.int64())),
        ("origins", pa.map_(pa.string(), pa.int64())),
        ("guessed_colours", pa.int64()),
        ("read", pa.float64()),
        ("decode", pa.float64()),
        ("write", pa.float64()),
    ]
)
"""One row per batch: files, their ids (32 bytes each, in order, `NO_ID` for a bad file) and splits (a byte
each, see `labelmill.pipelines.ingest.held_out.SplitIds`), bytes of the good files, annotations sent, bad files by reason, the first of them (uri, reason, message), good files by
class, by split (empty: none) and by origin of the class, files whose order of colours nobody names, and seconds
by kind of work."""


class Batch:
    """Files on their way to Kudu, and the summary of them.

    Attributes:
        files: Files so far, good and bad.
    """

    def __init__(self, task: IngestTask) -> None:
        self._task = task
        self._rows = ImageRows(task.collection, task.now)
        self._ids: list[bytes] = []
        self._codes = bytearray()
        self._good: list[str] = []
        self._reasons: Counter[str] = Counter()
        self._samples: list[list[str]] = []
        self._classes: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._origins: Counter[str] = Counter()
        self._guessed_colours = 0
        self.files = self._bytes = self._annotations = 0
        self._read = self._decode = self._write = 0.0

    def is_full(self) -> bool:
        """Whether the batch should be written."""
        return self.files >= BATCH_FILES or self._rows.held_bytes >= BATCH_BYTES

    def add(self, row: tuple[Any, ...], read: Reader) -> None:
        """Reads and decodes one file. A bad file is quarantined and raises nothing.

        Args:
            row: Values of `labelmill.sources.base.FILES`.
            read: Opens files whose bytes did not come with the row.
        """
        uri, size, data, label, split, origin, attributes, source_time, fault = row
        self.files += 1
        self._ids.append(NO_ID)
        self._codes.append(0)
        image_id = None
        began = read_at = time.perf_counter()
        try:
            if (name := _fitting_name(uri)) != uri:
                uri = name
                raise ImageError(
                    "name_too_long", f"names of up to {NAME_BYTES:,} bytes are accepted"
                )
            if fault:
                reason, _, message = fault.partition(": ")
                raise ImageError(reason, message)
            if data is None:
                if not self._task.root:
                    raise too_large(size, ARCHIVED_FILE_CAP, "; unpack the archive for larger ones")
                data = read(uri)
            size = len(data)
            read_at = time.perf_counter()
            # Before decoding: a bad file is identified by its bytes too.
            image_id = image_id_of(data)
            pixels = read_image(data, self._task.settings.pixel_cap, uri)
            rule = self._task.label_rule
            try:
                label, split, attributes = metadata_of(
                    rule, self._task.layout, uri, label, split, attributes, origin
                )
                if label is not None and self._task.normalise_classes:
                    label = normal_class(label)
                _check_cells(label, attributes)
            except (ValueError, RecursionError) as error:
                if isinstance(error, ImageError):
                    raise
                raise ImageError("bad_attributes", f"not a JSON object: {error}") from None
            self._rows.image(image_id, pixels, uri, size, split, attributes, source_time)
            self._ids[-1] = bytes.fromhex(image_id)
            self._bytes += size
            self._guessed_colours += guesses_colours(data)
            self._splits[split or ""] += 1
            self._codes[-1] = ORDER.index(split) + 1 if split else 0
            if label is not None:
                self._rows.annotation(image_id, origin or rule.origin, label, uri)
                self._annotations += 1
                self._classes[label] += 1
                self._origins[origin or rule.origin] += 1
            if self._task.retry_quarantined:
                self._good.append(uri)
        except ImageError as error:
            self._add_bad(uri, error.reason, str(error), image_id, data, size)
        except (OSError, MemoryError) as error:
            self._add_bad(uri, "unreadable", f"cannot be read: {error}", image_id, data, size)
        self._read += read_at - began
        self._decode += time.perf_counter() - read_at

    def finish(self) -> pa.RecordBatch:
        """Writes the rows and returns their summary, one row of `SUMMARY`.

        Raises:
            StoreError: Kudu refused or did not answer.
        """
        began = built = time.perf_counter()
        if not self._task.dry_run:
            rows = self._rows.take()
            built = time.perf_counter()
            client = shared_client(self._task.settings)
            worker_process.tune(separate_collectors)
            self._store(client, rows)
        self._decode += built - began
        self._write = time.perf_counter() - built
        summary = {
            "files": self.files,
            "ids": b"".join(self._ids),
            "split_codes": bytes(self._codes),
            "bytes": self._bytes,
            "annotations": self._annotations,
            "reasons": list(self._reasons.items()),
            "samples": self._samples,
            "classes": list(self._classes.items()),
            "splits": list(self._splits.items()),
            "origins": list(self._origins.items()),
            "guessed_colours": self._guessed_colours,
            "read": self._read,
            "decode": self._decode,
            "write": self._write,
        }
        return pa.RecordBatch.from_pylist([summary], SUMMARY)

    def _add_bad(
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
        collection = self._task.collection
        if self._good:
            recovered = [{"collection": collection, "uri": uri} for uri in self._good]
            client.write(QUARANTINE, recovered, "delete_ignore")
        if not len(bad):
            return
        if self._task.retry_quarantined:
            # A file already quarantined with the same bytes and reason keeps the time it was first seen.
            where = {"collection": collection, "uri": bad["uri"].to_pylist()}
            known = {
                (row["uri"], row["sha256"], row["reason"])
                for row in client.scan(QUARANTINE, ["uri", "sha256", "reason"], where)
            }
            columns = (bad[name].to_pylist() for name in ("uri", "sha256", "reason"))
            keys = zip(*columns, strict=True)
            bad = bad.filter(pa.array([key not in known for key in keys]))
        client.write(QUARANTINE, bad)


def metadata_of(
    rule: LabelRule,
    layout: FolderLayout,
    uri: str,
    label: str | None,
    split: str | None,
    attributes: str | None,
    origin: str | None,
) -> tuple[str | None, str | None, str | None]:
    """Class, split and attributes of a file: from the source where it names them, else from the path."""
    if origin is None:
        label, from_path = rule.read(uri, layout)
        attributes = merge_attributes(from_path, attributes)
    return label, split or layout.read(uri)[1], attributes


def _fitting_name(uri: str) -> str:
    """The name, or a short one in its place when it is too long for Kudu's keys."""
    if len(uri) <= NAME_BYTES // 4 or len(uri.encode()) <= NAME_BYTES:
        return uri
    return f"{uri[:200]}… ({image_id_of(uri.encode())})"


def _check_cells(label: str | None, attributes: str | None) -> None:
    if label is not None and len(label.encode()) > LABEL_BYTES:
        raise ImageError("bad_label", f"a class of {len(label):,} characters, {label[:80]!r}…")
    if attributes is not None and len(attributes.encode()) > CELL_BYTES:
        raise ImageError(
            "bad_attributes",
            f"{len(attributes):,} characters of attributes; {CELL_BYTES:,} bytes fit",
        )

"""Runs on executors: rows in, pixels from Kudu, files out, and for each row what became of its file.

Pixels do not come with the rows: they are fetched here in batches of bounded size, so that none go through
a shuffle and no Kudu scanner waits while files are written (decision 0067).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from labelmill.domain.images.image import from_bytes
from labelmill.errors import InputError
from labelmill.pipelines.export.file_names import Format, Layout, NameParts, path_of
from labelmill.pipelines.export.output_folder import Claim, OutputFolder, explain_write_error
from labelmill.pipelines.export.pixels import encode, fetch_pixels
from labelmill.settings import Settings
from labelmill.spark import worker_process
from labelmill.store.connect import separate_collectors, shared_client

BATCH_IMAGES, BATCH_BYTES = 512, 16 << 20
"""A worker holds about this many pixels at once, or one image."""

NAMED = pa.schema([
    ("collection", pa.string()), ("image_id", pa.string()), ("label", pa.string()),
    ("split", pa.string()), ("source_uri", pa.string()), ("source_time", pa.string()),
    ("attributes", pa.string()), ("width", pa.int32()), ("height", pa.int32()),
    ("channels", pa.int32()), ("dtype", pa.string()), ("clash", pa.bool_()),
])  # fmt: skip
"""Rows that come in; ``width`` is null where the catalogue has no such image."""

EXPORTED = pa.schema([
    ("uri", pa.string()), ("label", pa.string()), ("split", pa.string()),
    ("source_time", pa.string()), ("attributes", pa.string()), ("collection", pa.string()),
    ("source_uri", pa.string()), ("image_id", pa.string()), ("width", pa.int32()),
    ("height", pa.int32()), ("channels", pa.int32()), ("dtype", pa.string()),
    ("bytes", pa.int64()), ("sha256", pa.string()), ("state", pa.string()),
    ("message", pa.string()),
])  # fmt: skip
"""Rows that go out: columns of the manifest, then what became of the file.

``state`` is ``written``; ``there``: exactly this file was there; ``replaced``: another one was;
``shared``: the file of an earlier row; ``missing``: no pixels; ``failed``: not written, see ``message``;
``not_tried``, after a failure.
"""

WHOLE = ("written", "there", "replaced", "shared")
"""States of rows whose file is in the folder."""


@dataclass(frozen=True)
class ExportTask:
    """What workers need to know of one run; a function for ``mapInArrow``.

    Attributes:
        settings: Where Kudu is.
        out: Folder or URI.
        claim: The slice that the folder is the export of.
        format: Kind of files.
        layout: Kind of names.
        fresh: The folder was empty: no file needs to be compared before it is written.
    """

    settings: Settings
    out: str
    claim: Claim
    format: Format
    layout: Layout
    fresh: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of `NAMED`, those of one image next to each other, to batches of `EXPORTED`.

        Raises:
            InputError: This worker does not see the folder.
            StoreError: Kudu refused or did not answer.
        """
        folder = OutputFolder(self.out)
        folder.require(self.claim)
        writer = _Writer(self, folder)
        for batch in batches:
            for row in batch.to_pylist():
                if writer.is_full(row):
                    yield writer.finish()
                writer.add(row)
        if writer.rows:
            yield writer.finish()


class _Writer:
    """Writes the files of rows whose pixels are fetched together."""

    def __init__(self, task: ExportTask, folder: OutputFolder) -> None:
        self._task, self._folder = task, folder
        self._failed = False
        self._image_id = ""
        self._done: dict[str, tuple[int, str]] = {}
        self.rows: list[dict[str, Any]] = []
        self._bytes = 0

    def is_full(self, row: dict[str, Any]) -> bool:
        """Whether `row` must wait for the next batch."""
        return bool(self.rows) and (
            len(self.rows) >= BATCH_IMAGES or self._bytes + _size(row) > BATCH_BYTES
        )

    def add(self, row: dict[str, Any]) -> None:
        if row["width"] is not None:
            named = NameParts(
                row["image_id"],
                row["channels"],
                row["label"],
                row["split"],
                row["source_uri"] or "",
            )
            task = self._task
            row["uri"] = path_of(task.layout, task.format, named, row["clash"])
        self.rows.append(row)
        self._bytes += _size(row)

    def finish(self) -> pa.RecordBatch:
        """Writes the files of the rows so far."""
        present = [row for row in self.rows if row["width"] is not None and not self._failed]
        client = shared_client(self._task.settings)
        worker_process.tune(separate_collectors)
        pixels = fetch_pixels(client, present, self._task.claim.snapshot_ms)
        for row in self.rows:
            self._export(row, pixels.get((row["collection"], row["image_id"])))
        batch = pa.RecordBatch.from_pylist(self.rows, EXPORTED)
        self.rows, self._bytes = [], 0
        return batch

    def _export(self, row: dict[str, Any], raw: bytes | None) -> None:
        if row["width"] is None:
            row |= {"state": "missing", "message": "the catalogue has no such image"}
            return
        if self._failed:
            row |= {"state": "not_tried"}
            return
        if row["image_id"] != self._image_id:
            # Only rows of one image can share a file.
            self._image_id, self._done = row["image_id"], {}
        if row["uri"] in self._done:
            row["bytes"], row["sha256"] = self._done[row["uri"]]
            row["state"] = "shared"
            return
        try:
            data = _encode_row(row, raw, self._task.format)
        except InputError as error:
            row |= {"state": "missing", "message": str(error)[:500]}
            return
        try:
            row["state"] = self._put(row["uri"], data)
        except OSError as error:
            self._failed = True
            row |= {"state": "failed", "message": explain_write_error(error)}
            return
        row["bytes"], row["sha256"] = len(data), hashlib.sha256(data).hexdigest()
        self._done[row["uri"]] = row["bytes"], row["sha256"]

    def _put(self, path: str, data: bytes) -> str:
        same = None if self._task.fresh else self._folder.holds(path, data)
        if same:
            return "there"
        self._folder.write(path, data)
        return "written" if same is None else "replaced"


def _encode_row(row: dict[str, Any], raw: bytes | None, format: Format) -> bytes:
    if raw is None:
        raise InputError("its chunks are missing; ingest it again")
    shape = row["height"], row["width"], row["channels"]
    return encode(from_bytes(raw, shape, row["dtype"]), format)


def _size(row: dict[str, Any]) -> int:
    if row["width"] is None:
        return 0
    samples: int = row["height"] * row["width"] * row["channels"]
    return samples * (2 if row["dtype"] == "uint16" else 1)

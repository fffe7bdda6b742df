"""Runs on executors: named rows in, pixels from Kudu, files out, one row each about what became of it.

Pixels do not come with the rows: they are fetched here in batches of bounded size, so that none of them
goes through a shuffle and no Kudu scanner waits while files are written (decision 0067).
"""

from __future__ import annotations

import errno
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.codecs.netpbm.codec import encode_netpbm
from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.domain.images.image import from_bytes
from labelmill.errors import InputError
from labelmill.pipelines.export.file_names import Format, Layout, Named, path_of
from labelmill.pipelines.export.output_folder import Claim, Place
from labelmill.settings import Settings
from labelmill.spark import worker_process
from labelmill.store.client import RowClient
from labelmill.store.connect import shared_client
from labelmill.store.schema.tables import IMAGE_CHUNKS, IMAGES

BATCH_IMAGES, BATCH_BYTES = 512, 16 << 20
"""A worker holds about so many pixels at once, or one image."""

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

``state`` is ``written``; ``there``: exactly this file lay there; ``replaced``: another one did;
``shared``: the file of an earlier row; ``missing``: no pixels; ``failed``: not written, see ``message``;
``not_tried``, after a failure.
"""


@dataclass(frozen=True)
class Exporting:
    """What workers need to know of one run; a function for ``mapInArrow``.

    Attributes:
        settings: Where Kudu is.
        out: Folder or URI.
        claim: What the folder is the export of.
        format: Kind of files.
        layout: Kind of names.
        fresh: The folder was empty: no file needs to be looked at before it is written.
    """

    settings: Settings
    out: str
    claim: Claim
    format: Format
    layout: Layout
    fresh: bool

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of `NAMED`, those of one image after one another, to batches of `EXPORTED`.

        Raises:
            InputError: This worker does not see the folder.
            StoreError: Kudu refused or did not answer.
        """
        place = Place(self.out)
        place.require(self.claim)
        writer = _Writer(self, place)
        for batch in batches:
            for row in batch.to_pylist():
                if writer.is_full(row):
                    yield writer.finish()
                writer.add(row)
        if writer.rows:
            yield writer.finish()


class _Writer:
    """Rows whose pixels are fetched together."""

    def __init__(self, exporting: Exporting, place: Place) -> None:
        self._exporting, self._place = exporting, place
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
            named = Named(
                row["image_id"],
                row["channels"],
                row["label"],
                row["split"],
                row["source_uri"] or "",
            )
            e = self._exporting
            row["uri"] = path_of(e.layout, e.format, named, row["clash"])
        self.rows.append(row)
        self._bytes += _size(row)

    def finish(self) -> pa.RecordBatch:
        """Writes the files of the rows so far."""
        wanted = [row for row in self.rows if row["width"] is not None and not self._failed]
        client = shared_client(self._exporting.settings)
        worker_process.tune()
        pixels = fetch(client, wanted, self._exporting.claim.snapshot_ms)
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
            # Only rows of one image share a file.
            self._image_id, self._done = row["image_id"], {}
        if row["uri"] in self._done:
            row["bytes"], row["sha256"] = self._done[row["uri"]]
            row["state"] = "shared"
            return
        try:
            data = _encoded(row, raw, self._exporting.format)
        except InputError as error:
            row |= {"state": "missing", "message": str(error)[:500]}
            return
        try:
            row["state"] = self._put(row["uri"], data)
        except OSError as error:
            self._failed = True
            row |= {"state": "failed", "message": why_not_written(error)}
            return
        row["bytes"], row["sha256"] = len(data), hashlib.sha256(data).hexdigest()
        self._done[row["uri"]] = row["bytes"], row["sha256"]

    def _put(self, path: str, data: bytes) -> str:
        same = None if self._exporting.fresh else self._place.holds(path, data)
        if same:
            return "there"
        self._place.write(path, data)
        return "written" if same is None else "replaced"


def fetch(
    client: RowClient, rows: list[dict[str, Any]], snapshot_ms: int
) -> dict[tuple[str, str], bytes]:
    """Pixels of images, whole or in chunks.

    Args:
        client: Open client.
        rows: ``collection`` and ``image_id``.
        snapshot_ms: To read at.

    Returns:
        (collection, image id) → array bytes; what is missing is not there, or short.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        wanted[row["collection"]].add(row["image_id"])
    found: dict[tuple[str, str], bytes] = {}
    for collection, ids in wanted.items():
        large: list[str] = []
        where = {"collection": collection, "image_id": sorted(ids)}
        for row in client.scan(IMAGES, ["image_id", "pixels"], where, snapshot_ms):
            if row["pixels"] is None:
                large.append(str(row["image_id"]))
            else:
                found[collection, str(row["image_id"])] = row["pixels"]  # type: ignore[assignment]
        if large:
            found |= _chunked(client, collection, sorted(large), snapshot_ms)
    return found


def _chunked(
    client: RowClient, collection: str, ids: list[str], snapshot_ms: int
) -> dict[tuple[str, str], bytes]:
    chunks: dict[str, dict[int, bytes]] = defaultdict(dict)
    where = {"collection": collection, "image_id": ids}
    columns = ["image_id", "chunk", "data"]
    for row in client.scan(IMAGE_CHUNKS, columns, where, snapshot_ms):
        chunks[str(row["image_id"])][int(str(row["chunk"]))] = row["data"]  # type: ignore[assignment]
    joined: dict[tuple[str, str], bytes] = {}
    for image_id in list(chunks):
        parts = chunks.pop(image_id)
        joined[collection, image_id] = b"".join(parts[number] for number in sorted(parts))
    return joined


def encode(pixels: Pixels, format: Format) -> bytes:
    """An array as a file: PNG, PGM/PPM/PAM, or NumPy's (shape ``(H, W, C)``, little-endian)."""
    if format == "png":
        return encode_png(pixels)
    if format == "netpbm":
        return encode_netpbm(pixels)
    sink = io.BytesIO()
    np.lib.format.write_array(sink, pixels, allow_pickle=False)
    return sink.getvalue()


def why_not_written(error: OSError) -> str:
    """What a person can do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full, or the quota is used up ({error})"
    return str(error)


def _encoded(row: dict[str, Any], raw: bytes | None, format: Format) -> bytes:
    if raw is None:
        raise InputError("its chunks are missing; ingest it again")
    shape = row["height"], row["width"], row["channels"]
    return encode(from_bytes(raw, shape, row["dtype"]), format)


def _size(row: dict[str, Any]) -> int:
    if row["width"] is None:
        return 0
    samples: int = row["height"] * row["width"] * row["channels"]
    return samples * (2 if row["dtype"] == "uint16" else 1)

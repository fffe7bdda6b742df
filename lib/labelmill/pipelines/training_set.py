"""A frozen slice: Arrow files beside a manifest, verified when opened, read by memory map.

Files below ``ROOT/DIGEST/``:

``manifest.json``       fields of `Manifest`; written last, so a folder with it is whole
``SPLIT-00000.arrow``   Arrow IPC file, rows of one split, sorted by (collection, image_id), columns
                        `COLUMNS`; the schema's metadata holds ``labelmill.classes`` (JSON list)

The digest is a SHA-256 over the rows in order of (split, collection, image_id): how Spark had cut
them, or when they were frozen, does not change it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import fs
from pydantic import BaseModel, ConfigDict, ValidationError

from labelmill.domain.image import from_bytes
from labelmill.errors import ArtifactError, InputError, MissingRow
from labelmill.settings import Settings
from labelmill.store.client import open_client
from labelmill.store.tables import TRAINING_SETS

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("test", "train", "validation")
"""In the order of the digest."""

COLUMNS = pa.schema(
    [
        ("collection", pa.string()),
        ("image_id", pa.string()),
        ("class", pa.string()),
        ("split", pa.string()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("channels", pa.int32()),
        ("dtype", pa.string()),
        ("pixels", pa.binary()),
    ]
)
"""Columns of a frozen row; ``pixels`` is little-endian, C order, (height, width, channels)."""

Images = npt.NDArray[Any] | list[npt.NDArray[Any]]


class Shard(BaseModel):
    """One file: its name, split, rows, size in bytes and SHA-256 (hex)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    split: str
    rows: int
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a training set is made of. `histogram` is split → class → rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    digest: str
    name: str
    sql: str
    snapshot_ms: int
    rows: int
    classes: list[str]
    histogram: dict[str, dict[str, int]]
    splitting: dict[str, Any]
    shards: list[Shard]
    created_at: str


class Frozen:
    """Rows of shard files, memory-mapped; nothing is verified here.

    Args:
        paths: Local paths or `pyarrow.fs` URIs of shards, whole names as in the manifest or with
            something before them.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.tables = [_open(path) for path in paths]

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        for table in self.tables:
            found: list[str] = json.loads(table.schema.metadata[b"labelmill.classes"])
            return found
        return []

    def split(self, name: str) -> tuple[list[str], Images, npt.NDArray[np.int64]]:
        """The rows of one split.

        Args:
            name: ``train``, ``validation`` or ``test``.

        Returns:
            Image ids; images as one array ``(N, H, W, C)`` when all shapes and dtypes agree (views
            of the memory map where possible), else a list of ``(H, W, C)``; class indices ``(N,)``
            int64. All empty when the split has no rows.

        Raises:
            InputError: No such name.
        """
        tables = self._of(name)
        index = {c: i for i, c in enumerate(self.classes)}
        ids: list[str] = []
        images: list[npt.NDArray[Any]] = []
        labels: list[int] = []
        for table in tables:
            ids += table["image_id"].to_pylist()
            labels += [index[c] for c in table["class"].to_pylist()]
            for batch in table.to_batches():
                images.append(images_of(batch))  # type: ignore[arg-type]
        return ids, _together(images), np.array(labels, np.int64)

    def rows(self, name: str) -> pa.Table:
        """The rows of one split as they were frozen: columns `COLUMNS`, views of the memory map.

        Raises:
            InputError: No such name.
        """
        return pa.concat_tables([COLUMNS.empty_table(), *self._of(name)])

    def _of(self, name: str) -> list[pa.Table]:
        if name not in SPLITS:
            raise InputError(f"split {name!r}; expected one of {', '.join(SPLITS)}")
        return [t for t in self.tables if len(t) and t["split"][0].as_py() == name]


class TrainingSet(Frozen):
    """A verified training set.

    Attributes:
        location: Folder or URI.
        manifest: What it is made of.
    """

    def __init__(self, location: str, manifest: Manifest) -> None:
        self.location, self.manifest = location, manifest
        super().__init__(self.files())

    @classmethod
    def open(cls, location: str) -> TrainingSet:
        """Opens and verifies every shard.

        Args:
            location: Folder or URI that holds the manifest.

        Raises:
            InputError: There is no training set.
            ArtifactError: A shard is missing or is not what was frozen; names it.
        """
        manifest = read_manifest(location)
        for shard in manifest.shards:
            found = _sha256(f"{location.rstrip('/')}/{shard.file}")
            if found != shard.sha256:
                raise ArtifactError(
                    f"{shard.file} of training set {manifest.digest[:12]} in {location} "
                    f"{'is missing' if found is None else f'has SHA-256 {found[:12]}…, expected {shard.sha256[:12]}…'}; "
                    "delete the folder and freeze the slice again"
                )
        return cls(location, manifest)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the rows."""
        return self.manifest.digest

    @property
    def classes(self) -> list[str]:
        """Classes in the order of class indices."""
        return list(self.manifest.classes)

    def files(self) -> list[str]:
        """Paths or URIs of the shards, in order."""
        return [f"{self.location.rstrip('/')}/{shard.file}" for shard in self.manifest.shards]


def open_files(paths: Sequence[str]) -> Frozen:
    """Shards that were brought to this machine; for executors."""
    return Frozen(paths)


def read_manifest(location: str) -> Manifest:
    """The manifest below a folder or URI.

    Raises:
        InputError: None there, or of another format.
    """
    try:
        with _input(f"{location.rstrip('/')}/{MANIFEST}") as file:
            text = file.read().decode()
        manifest = Manifest.model_validate_json(text)
    except FileNotFoundError:
        raise InputError(
            f"{location} holds no training set (no {MANIFEST}); freeze one with "
            "jobs/freeze_training_set.py"
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{location}/{MANIFEST} is not a manifest: {error}") from None
    if manifest.format != FORMAT:
        raise InputError(f"{location}: manifest of format {manifest.format}, expected {FORMAT}")
    return manifest


def find(settings: Settings, named: str) -> TrainingSet:
    """Opens a training set by folder, URI, digest, start of a digest, or name (the newest of it).

    Raises:
        MissingRow: None is known by that; says which are.
        InputError: The start of a digest fits several.
        ArtifactError: A shard is not what was frozen.
    """
    if "://" in named or os.path.isfile(os.path.join(named, MANIFEST)):
        return TrainingSet.open(named)
    client = open_client(settings)
    try:
        columns = ["digest", "name", "location", "created_at"]
        client.ensure(TRAINING_SETS)
        rows = sorted(client.scan(TRAINING_SETS, columns), key=lambda row: str(row["created_at"]))
    finally:
        client.close()
    by_name = [row for row in rows if row["name"] == named][-1:]
    fitting = by_name or [
        row for row in rows if len(named) >= 6 and str(row["digest"]).startswith(named)
    ]
    if len(fitting) > 1:
        raise InputError(f"training set {named!r} fits several digests; give more of it")
    if not fitting:
        known = ", ".join(f"{row['name']} ({str(row['digest'])[:12]})" for row in rows[-10:])
        raise MissingRow(
            f"no training set {named!r}; known are: {known or 'none'}. Give a name, six letters or "
            "more of a digest, or a folder; freeze one with jobs/freeze_training_set.py"
        )
    return TrainingSet.open(str(fitting[0]["location"]))


def digest_rows(digest: hashlib._Hash, rows: Iterable[Sequence[object]]) -> None:
    """Adds rows, in order, to a digest.

    Each value adds its kind and length before its bytes, so no two lists of rows give the same
    bytes: strings are UTF-8, integers their decimal digits.
    """
    for row in rows:
        parts = []
        for value in row:
            data = value if isinstance(value, bytes) else str(value).encode()
            parts += [
                struct.pack("<cQ", b"b" if isinstance(value, bytes) else b"s", len(data)),
                data,
            ]
        digest.update(b"".join(parts))


def images_of(batch: pa.RecordBatch) -> Images:
    """Images of a batch with ``pixels``, ``height``, ``width``, ``channels``, ``dtype``.

    Returns:
        ``(N, H, W, C)`` when all agree, else a list of ``(H, W, C)``; views of the batch's memory.

    Raises:
        InputError: Pixels that do not fit their shape.
    """
    shapes = list(
        zip(
            *(batch.column(c).to_pylist() for c in ("height", "width", "channels", "dtype")),
            strict=True,
        )
    )
    pixels = batch.column("pixels")
    if len(set(shapes)) == 1 and not pixels.null_count:
        height, width, channels, dtype = shapes[0]
        kind = np.dtype(dtype).newbyteorder("<")
        offsets = np.frombuffer(pixels.buffers()[1], np.int32)[pixels.offset :][: len(pixels) + 1]
        each = height * width * channels * kind.itemsize
        if (np.diff(offsets) == each).all():
            data = pixels.buffers()[2]
            flat = np.frombuffer(data, kind, len(pixels) * each // kind.itemsize, int(offsets[0]))
            return flat.reshape(len(pixels), height, width, channels)
    return [image_of(data, *shape) for data, shape in zip(pixels, shapes, strict=True)]


def image_of(
    pixels: pa.Scalar, height: int, width: int, channels: int, dtype: str
) -> npt.NDArray[Any]:
    """One image, ``(H, W, C)``.

    Raises:
        InputError: Pixels that do not fit their shape.
    """
    data = pixels.as_buffer()
    if data is None:
        raise InputError("an image without pixels: its chunks are missing; ingest it again")
    return from_bytes(memoryview(data), (height, width, channels), dtype)


def _together(parts: list[Any]) -> Images:
    if parts and all(
        isinstance(p, np.ndarray)
        and p.shape[1:] == parts[0].shape[1:]
        and p.dtype == parts[0].dtype
        for p in parts
    ):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    return [image for part in parts for image in part]


def _open(path: str) -> pa.Table:
    if "://" in path:
        with _input(path) as file:
            return pa.ipc.open_file(pa.BufferReader(file.read())).read_all()
    return pa.ipc.open_file(pa.memory_map(path)).read_all()


def _input(path: str) -> Any:
    if "://" in path:
        files, base = fs.FileSystem.from_uri(path)
        return files.open_input_stream(base)
    return open(path, "rb")


def _sha256(path: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with _input(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()

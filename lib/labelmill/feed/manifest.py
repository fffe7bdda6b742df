"""A frozen slice: Arrow files beside a manifest, verified when opened, read by memory map.

Files below ``ROOT/DIGEST/``:

``manifest.json``       fields of `Manifest`; written last, so a folder with it is whole
``SPLIT-00000.arrow``   Arrow IPC file, rows of one split, sorted by (collection, image_id), columns
                        `COLUMNS`; the schema's metadata holds ``labelmill.classes`` (JSON list)

The digest is a SHA-256 over the rows in order of (split, collection, image_id): how Spark had cut
them, or when they were frozen, does not change it.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from labelmill.errors import InputError
from labelmill.feed.places import open_input

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("test", "train", "validation")
"""In the order of the digest."""


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


def read_manifest(location: str) -> Manifest:
    """The manifest below a folder or URI.

    Raises:
        InputError: None there, or of another format.
    """
    try:
        with open_input(f"{location.rstrip('/')}/{MANIFEST}") as file:
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

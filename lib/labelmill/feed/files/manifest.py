"""A frozen slice: Arrow files beside a manifest, verified when opened, read by memory map.

Files below ``ROOT/DIGEST/``:

``manifest.json``       fields of `Manifest`; written last, so a folder that has it is complete
``SPLIT-00000.arrow``   Arrow IPC file of one record batch: rows of one split, sorted by
                        (collection, id), columns `labelmill.feed.files.columns.columns_of`; the schema's
                        metadata holds ``labelmill.classes`` (JSON list), ``labelmill.kind`` and
                        ``labelmill.target``

The digest is of the rows (`labelmill.feed.files.digest`): how Spark partitioned them, or when they were
frozen, does not change it.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from labelmill.errors import InputError
from labelmill.feed.files.columns import Kind, Target
from labelmill.feed.files.locations import open_input

FORMAT = 2
MANIFEST = "manifest.json"


class Shard(BaseModel):
    """One file: its name, split, rows, size in bytes and SHA-256 (hex)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    split: str
    rows: int
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """The contents of a training set.

    Attributes:
        format: `FORMAT`.
        digest: SHA-256 (hex) of the rows.
        name: Its name for people.
        kind: Images or records.
        target: The kind of target.
        sql: The query.
        parameters: Of the query, name → value as it was given.
        snapshot_ms: The snapshot of the query, in milliseconds since 1970 UTC.
        rows: Number of rows.
        classes: In the order of class indices; empty if the target is not a class.
        histogram: Split → class → rows. A row of several classes counts for each; rows without
            classes (masks, no target) count for the class ``""``.
        splitting: How rows were assigned to splits, and what proves that none is in two splits.
        shards: In the order of the digest.
        created_at: ISO 8601, UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    digest: str
    name: str
    kind: Kind
    target: Target
    sql: str
    parameters: dict[str, str]
    snapshot_ms: int
    rows: int
    classes: list[str]
    histogram: dict[str, dict[str, int]]
    splitting: dict[str, Any]
    shards: list[Shard]
    created_at: str


def read_manifest(location: str) -> Manifest:
    """Reads the manifest in a folder or below a URI.

    Raises:
        InputError: There is none, or it has another format.
    """
    try:
        with open_input(f"{location.rstrip('/')}/{MANIFEST}") as file:
            text = file.read().decode()
        _check_format(location, text)
        return Manifest.model_validate_json(text)
    except FileNotFoundError:
        raise InputError(
            f"{location} holds no training set (no {MANIFEST}); freeze one with "
            "jobs/freeze_training_set.py"
        ) from None
    except (ValidationError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{location}/{MANIFEST} is not a manifest: {error}") from None


def _check_format(location: str, text: str) -> None:
    # Before the fields: another format has other fields, and a list of those would help nobody.
    manifest = json.loads(text)
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(found, int) and found != FORMAT:
        raise InputError(
            f"{location} is a training set of format {found}, expected {FORMAT}; freeze it again with "
            "jobs/freeze_training_set.py (its query and snapshot are in its manifest)"
        )

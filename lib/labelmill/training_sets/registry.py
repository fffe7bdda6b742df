"""Training sets in the catalogue: found by name or digest, and recorded."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timezone

from labelmill.errors import InputError, MissingRow
from labelmill.feed.files.manifest import MANIFEST, Manifest
from labelmill.feed.training_set import TrainingSet
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import texts
from labelmill.store.schema.tables import TRAINING_SETS
from labelmill.training_sets.writer import Registered

NAME_BYTES = 1_000
"""Longest name of a training set, in bytes of UTF-8; queries and classes have no limit."""


def find(settings: Settings, named: str) -> TrainingSet:
    """Opens a training set by folder, URI, digest, prefix of a digest, or name (the newest).

    Raises:
        MissingRow: There is none; lists those that exist.
        InputError: The prefix matches several digests.
        ArtifactError: A shard differs from what was frozen.
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
    matching = by_name or [
        row for row in rows if len(named) >= 6 and str(row["digest"]).startswith(named)
    ]
    if len(matching) > 1:
        raise InputError(f"training set {named!r} matches several digests; give more digits")
    if not matching:
        known = ", ".join(f"{row['name']} ({str(row['digest'])[:12]})" for row in rows[-10:])
        raise MissingRow(
            f"no training set {named!r}; known training sets: {known or 'none'}. Give a name, six or more "
            "digits of a digest, or a folder; freeze one with jobs/freeze_training_set.py"
        )
    return TrainingSet.open(str(matching[0]["location"]))


def measured_on(digest: str, split: str) -> str:
    """The value of ``evaluations.slice`` for a measurement on one split of a training set."""
    return f"training set {digest} split {split}"


def digest_measured_on(text: str) -> str | None:
    """The digest of the training set that ``evaluations.slice`` names; None for a query."""
    found = _MEASURED_ON.fullmatch(text)
    return found[1] if found else None


_MEASURED_ON = re.compile(measured_on("([0-9a-f]{64})", r"\w+"))


def find_registered(client: RowClient, digest: str) -> Registered | None:
    """The name and location of these rows in the catalogue, if it has them."""
    rows = client.scan(TRAINING_SETS, ["name", "location"], {"digest": digest})
    return next((Registered(str(row["name"]), str(row["location"])) for row in rows), None)


def refuse_long(name: str) -> None:
    """Raises InputError for a name too long to record; call it before work starts."""
    if (size := len(name.encode("utf-8", "surrogatepass"))) > NAME_BYTES:
        raise InputError(f"the name has {size:,} bytes; expected at most {NAME_BYTES:,}")


def record(client: RowClient, manifest: Manifest, location: str, requested_name: str) -> None:
    """Records a training set; the row repeats the manifest, so that the two never disagree.

    A name refers to the newest training set of that name. Rows that already have another name keep
    their time of creation.
    """
    now: object = datetime.now(timezone.utc)
    if manifest.name != requested_name:
        rows = client.scan(TRAINING_SETS, ["created_at"], {"digest": manifest.digest})
        now = next((row["created_at"] for row in rows), now)
    row = {
        "digest": manifest.digest,
        "name": manifest.name,
        "sql": manifest.sql,
        "snapshot_ms": manifest.snapshot_ms,
        "location": location,
        "classes": json.dumps(manifest.classes, ensure_ascii=False),
        "rows": manifest.rows,
        "histogram": json.dumps(manifest.histogram, sort_keys=True, ensure_ascii=False),
        "created_at": now,
    }
    texts.write(client, TRAINING_SETS, [row])

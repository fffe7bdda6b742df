"""Training sets that the catalogue knows."""

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
from labelmill.store.schema.rows import CELL_LIMIT
from labelmill.store.schema.tables import TRAINING_SETS
from labelmill.training_sets.writer import Known


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


def measured_on(digest: str, split: str) -> str:
    """What ``evaluations.slice`` says of a measurement on one split of a training set."""
    return f"training set {digest} split {split}"


def digest_measured_on(text: str) -> str | None:
    """The training set that ``evaluations.slice`` names; None: a query."""
    found = _MEASURED_ON.fullmatch(text)
    return found[1] if found else None


_MEASURED_ON = re.compile(measured_on("([0-9a-f]{64})", r"\w+"))


def known_as(client: RowClient, digest: str) -> Known | None:
    """What the catalogue says of these rows, if it has them."""
    rows = client.scan(TRAINING_SETS, ["name", "location"], {"digest": digest})
    return next((Known(str(row["name"]), str(row["location"])) for row in rows), None)


def refuse_long(name: str, sql: str) -> None:
    """Raises InputError, before work starts, for what could not be recorded."""
    for what, text in (("name", name), ("query", sql)):
        if (size := len(text.encode())) > CELL_LIMIT:
            raise InputError(
                f"the {what} has {size:,} bytes; the catalogue records {CELL_LIMIT:,} at most. Join what "
                "holds its long lists"
            )


def _cell(value: object, count: int) -> str:
    """JSON for a cell; of what does not fit, how many there are and where to look."""
    text = json.dumps(value, sort_keys=True)
    if len(text) <= CELL_LIMIT:
        return text
    return json.dumps({"see": MANIFEST, "classes": count})


def record(client: RowClient, manifest: Manifest, location: str, asked_for: str) -> None:
    """The row says what the manifest says, so that the two never disagree.

    A name means the newest of it: what was just frozen by that name. Rows that were asked for by
    another name stay as old as they were.
    """
    now: object = datetime.now(timezone.utc)
    if manifest.name != asked_for:
        rows = client.scan(TRAINING_SETS, ["created_at"], {"digest": manifest.digest})
        now = next((row["created_at"] for row in rows), now)
    row = {
        "digest": manifest.digest,
        "name": manifest.name,
        "sql": manifest.sql,
        "snapshot_ms": manifest.snapshot_ms,
        "location": location,
        "classes": _cell(manifest.classes, len(manifest.classes)),
        "rows": manifest.rows,
        "histogram": _cell(manifest.histogram, len(manifest.classes)),
        "created_at": now,
    }
    client.write(TRAINING_SETS, [row])

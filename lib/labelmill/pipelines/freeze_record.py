"""What the catalogue says of a training set: its row, which says what the manifest says."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from labelmill.errors import InputError
from labelmill.feed.manifest import MANIFEST, Manifest
from labelmill.pipelines.shards import Known
from labelmill.store.client import RowClient
from labelmill.store.rows import CELL_LIMIT
from labelmill.store.tables import TRAINING_SETS


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

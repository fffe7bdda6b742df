"""Model versions pinned per micro-batch, so that a replay gives the same labels."""

from __future__ import annotations

from datetime import datetime, timezone

from labelmill.store.client import RowClient
from labelmill.store.schema.tables import STREAM_BATCHES


def pin(client: RowClient, query: str, batch_id: int, model: str, version: int) -> int:
    """Pins a version for a micro-batch, or returns the one that an earlier run pinned.

    Args:
        client: Open client.
        query: Name of the stream.
        batch_id: Micro-batch.
        model: Model name.
        version: Version to pin if none is pinned yet.

    Returns:
        The pinned version: `version`, unless the micro-batch was pinned before.
    """
    row: dict[str, object] = {
        "query": query,
        "batch_id": batch_id,
        "model": model,
        "version": version,
        "state": "pinned",
        "started_at": datetime.now(timezone.utc),
    }
    client.write(STREAM_BATCHES, [row], "insert_ignore")
    key = {"query": query, "batch_id": batch_id}
    (stored,) = client.scan(STREAM_BATCHES, ["version"], key)
    return int(str(stored["version"]))


def finish(
    client: RowClient, query: str, batch_id: int, rows: int, dead: int, milliseconds: int
) -> None:
    """Records that a pinned micro-batch is done.

    Args:
        client: Open client.
        query: Name of the stream.
        batch_id: Micro-batch.
        rows: Images labelled.
        dead: Messages sent to the dead-letter topic.
        milliseconds: Time of the micro-batch.
    """
    (stored,) = client.scan(STREAM_BATCHES, where={"query": query, "batch_id": batch_id})
    done = {"state": "done", "rows": rows, "dead": dead, "milliseconds": milliseconds}
    client.write(STREAM_BATCHES, [{**stored, **done}])

"""The rows of ``quarantine`` of one collection: bad files in, mended files out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from labelmill.store.client import RowClient
from labelmill.store.tables import QUARANTINE


class Quarantine:
    """What is quarantined of a collection.

    Args:
        client: Open client.
        collection: Name.
        now: Time that new rows get.
    """

    def __init__(self, client: RowClient, collection: str, now: datetime) -> None:
        self._client, self._collection, self._now = client, collection, now
        self._there: dict[str, object] = {
            str(row["uri"]): row["sha256"]
            for row in client.scan(QUARANTINE, ["uri", "sha256"], {"collection": collection})
        }

    def keep(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes bad files; those that are there with the same bytes keep their first time.

        Args:
            rows: ``uri``, ``reason``, ``message``, ``image_id`` (SHA-256 or None), ``head``,
                ``bytes``.
        """
        changed = [
            {
                "collection": self._collection,
                "uri": row["uri"],
                "reason": row["reason"],
                "message": row["message"],
                "sha256": row["image_id"],
                "head": row["head"],
                "bytes": row["bytes"],
                "quarantined_at": self._now,
            }
            for row in rows
            if row["uri"] not in self._there or self._there[row["uri"]] != row["image_id"]
        ]
        self._client.write(QUARANTINE, changed)

    def release(self, uris: Iterable[str]) -> None:
        """Deletes the rows of files that are good now."""
        if self._there:
            mended = [uri for uri in uris if uri in self._there]
            self._client.write(
                QUARANTINE,
                [{"collection": self._collection, "uri": uri} for uri in mended],
                "delete_ignore",
            )

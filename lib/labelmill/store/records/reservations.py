"""Ranges of versions that sweeps have taken before they train anything.

Kudu has no transaction, but it refuses a second row with the same key. Reservations of a model are
numbered without gaps, so whoever writes number *n* has seen those before it, and of two who saw the
same ones only the first succeeds; the other looks again.
"""

from __future__ import annotations

from datetime import datetime, timezone

from labelmill.errors import RowsRefused, StoreError
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import VERSION_RESERVATIONS

_TRIES = 20
"""Each refusal means that somebody else has succeeded; more than this many at once is no accident."""


def reserve(client: RowClient, model: str, sweep_id: str, count: int) -> int:
    """The first of `count` versions that are this sweep's alone; the same one each time it asks.

    Args:
        client: Open client.
        model: Name.
        sweep_id: Who takes them.
        count: How many.

    Raises:
        StoreError: Others were always quicker.
    """
    client.ensure(VERSION_RESERVATIONS)
    for _ in range(_TRIES):
        taken = list(client.scan(VERSION_RESERVATIONS, where={"model": model}))
        for row in taken:
            if row["sweep_id"] == sweep_id:
                return int(str(row["first_version"]))
        first = models.next_version(client, model)
        row = {
            "model": model,
            "number": max((int(str(row["number"])) for row in taken), default=-1) + 1,
            "sweep_id": sweep_id,
            "first_version": first,
            "versions": count,
            "reserved_at": datetime.now(timezone.utc),
        }
        try:
            client.write(VERSION_RESERVATIONS, [row], "insert")
        except RowsRefused:
            continue  # another sweep of this model, or another run of this one, was quicker
        return first
    raise StoreError(
        f"no versions of model {model!r} could be reserved: {_TRIES} times another sweep was quicker; "
        "run this one again"
    )

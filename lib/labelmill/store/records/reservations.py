"""Ranges of versions that sweeps reserve before they train anything.

Kudu has no transactions, but it refuses a second row with the same key. Reservations of a model are
numbered without gaps, so a sweep that writes number *n* has read all before it. If two sweeps have read
the same ones, only the first succeeds; the other tries again.
"""

from __future__ import annotations

from datetime import datetime, timezone

from labelmill.errors import RowsRefused, StoreError
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import VERSION_RESERVATIONS

_TRIES = 20
"""Each refusal means that another sweep has succeeded; this many in a row are no coincidence."""


def reserve(client: RowClient, model: str, sweep_id: str, count: int) -> int:
    """Reserves versions for a sweep; returns its earlier reservation if there is one.

    Args:
        client: Open client.
        model: Name.
        sweep_id: The sweep.
        count: Number of versions.

    Returns:
        The first of `count` consecutive versions.

    Raises:
        StoreError: Other sweeps were quicker each time.
    """
    client.ensure(VERSION_RESERVATIONS)
    for _ in range(_TRIES):
        reserved = list(client.scan(VERSION_RESERVATIONS, where={"model": model}))
        for row in reserved:
            if row["sweep_id"] == sweep_id:
                return int(str(row["first_version"]))
        first = models.next_version(client, model)
        row = {
            "model": model,
            "number": max((int(str(row["number"])) for row in reserved), default=-1) + 1,
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
        f"no versions of model {model!r} could be reserved: other sweeps reserved them first, {_TRIES} times in a row; "
        "run this one again"
    )

"""Ranges of versions that sweeps reserve before they train anything.

Kudu has no transactions, but it refuses a second row with the same key. Reservations of a model are
numbered without gaps, so a sweep that writes number *n* has read all before it. If two sweeps have read
the same ones, only the first succeeds; the other tries again.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

from labelmill.errors import RowsRefused, StoreError
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import SWEEPS, VERSION_RESERVATIONS

RETIRED = "retired"
"""Instead of a sweep's id: versions that were removed, and are not given out again."""

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
    raise _not_reserved(model)


def retire(client: RowClient, model: str, highest: int) -> None:
    """Makes sure that no version up to this one is given out again, whether or not it exists.

    Args:
        client: Open client.
        model: Name.
        highest: Highest version that is about to be removed.

    Raises:
        StoreError: Sweeps reserved versions first each time.
    """
    client.ensure(VERSION_RESERVATIONS)
    client.ensure(SWEEPS)
    for _ in range(_TRIES):
        reserved = list(client.scan(VERSION_RESERVATIONS, where={"model": model}))
        held = max(models.held_versions(client, model), default=0)
        if held >= highest:
            return
        row = {
            "model": model,
            "number": max((int(str(row["number"])) for row in reserved), default=-1) + 1,
            "sweep_id": RETIRED,
            "first_version": held + 1,
            "versions": highest - held,
            "reserved_at": datetime.now(timezone.utc),
        }
        with contextlib.suppress(RowsRefused):  # a sweep was quicker; look again
            client.write(VERSION_RESERVATIONS, [row], "insert")
    raise _not_reserved(model)


def _not_reserved(model: str) -> StoreError:
    return StoreError(
        f"no versions of model {model!r} could be reserved: other sweeps reserved them first, {_TRIES} times in a row; "
        "run this one again"
    )

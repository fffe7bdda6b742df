"""The moment that a slice is read at."""

from __future__ import annotations

import threading
import time

from labelmill.domain.timestamps import instant_of
from labelmill.errors import InputError

SETTLE_SECONDS = 2.0
"""A snapshot is read when it is this old: replicas and clocks of other servers have caught up."""

_AHEAD_SECONDS = 60


def moment(at: str | None, snapshot_ms: int | None) -> int | None:
    """A snapshot as people give it.

    Args:
        at: ISO 8601, or None.
        snapshot_ms: Milliseconds since 1970 UTC, or None.

    Returns:
        Milliseconds since 1970 UTC; None when neither was given.

    Raises:
        InputError: Both were given, or `at` is no time.
    """
    if at is None:
        return snapshot_ms
    if snapshot_ms is not None:
        raise InputError(f"give either --at or --snapshot, received {at} and {snapshot_ms}")
    try:
        return round(instant_of(at).timestamp() * 1000)
    except ValueError as error:
        raise InputError(f"--at: {error}") from None


def settled(snapshot_ms: int | None = None) -> int:
    """Waits until a snapshot is old enough to answer the same for ever.

    Args:
        snapshot_ms: Milliseconds since 1970 UTC; now when None.

    Returns:
        The snapshot.

    Raises:
        InputError: It is more than a minute in the future.
    """
    at = taken(snapshot_ms)
    settle(at)
    return at


def taken(snapshot_ms: int | None = None) -> int:
    """A snapshot that nothing may be read at before it has settled (`settle`): for who has other work.

    Args:
        snapshot_ms: Milliseconds since 1970 UTC; now when None.

    Raises:
        InputError: It is more than a minute in the future.
    """
    at = snapshot_ms if snapshot_ms is not None else int(time.time() * 1000) + 1
    ahead = at / 1000 - time.time()
    if ahead > _AHEAD_SECONDS:
        raise InputError(
            f"snapshot {at} is {ahead:.0f} s in the future; expected milliseconds since 1970 UTC"
        )
    return at


def settle(snapshot_ms: int) -> None:
    """Waits until a snapshot is `SETTLE_SECONDS` old."""
    ahead = snapshot_ms / 1000 - time.time()
    # Nothing sets the event: this waits until the moment has come, and an interrupt ends it.
    threading.Event().wait(max(0.0, ahead + SETTLE_SECONDS))

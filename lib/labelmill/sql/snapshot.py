"""The moment at which a slice is read."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time

from labelmill.domain.timestamps import parse_timestamp
from labelmill.errors import InputError
from labelmill.settings import Settings

SETTLE_SECONDS = 2.0
"""A snapshot is read only once it is this old: by then replicas and other servers' clocks agree."""

ONE_CLOCK_SECONDS = 0.2
"""The same where Kudu's masters are on this machine: its servers have this machine's clock."""

_AHEAD_SECONDS = 60

_log = logging.getLogger(__name__)


def parse_snapshot(at: str | None, snapshot_ms: int | None) -> int | None:
    """Reads a snapshot from the options of a command.

    Args:
        at: ISO 8601, or None.
        snapshot_ms: Milliseconds since 1970 UTC, or None.

    Returns:
        Milliseconds since 1970 UTC; None when neither was given.

    Raises:
        InputError: Both were given, or `at` is not a time.

    Example:
        >>> parse_snapshot("2026-01-31T12:00:00+00:00", None)
        1769860800000
    """
    if at is None:
        return snapshot_ms
    if snapshot_ms is not None:
        raise InputError(f"give either --at or --snapshot, received {at} and {snapshot_ms}")
    try:
        return round(parse_timestamp(at).timestamp() * 1000)
    except ValueError as error:
        raise InputError(f"--at: {error}") from None


def resolve_snapshot(snapshot_ms: int | None = None) -> int:
    """The snapshot to read at.

    Reads at it are repeatable only once it has settled: a caller that has other work to do first calls
    `wait_for_snapshot` before it reads; others ask for a `settled_snapshot`.

    Args:
        snapshot_ms: Milliseconds since 1970 UTC; now when None.

    Returns:
        Milliseconds since 1970 UTC.

    Raises:
        InputError: The snapshot is more than a minute in the future.
    """
    at = snapshot_ms if snapshot_ms is not None else int(time.time() * 1000) + 1
    ahead = at / 1000 - time.time()
    if ahead > _AHEAD_SECONDS:
        raise InputError(
            f"snapshot {at} is {ahead:.0f} s in the future; expected milliseconds since 1970 UTC"
        )
    return at


def settled_snapshot(settings: Settings, snapshot_ms: int | None = None) -> int:
    """The snapshot to read at, once reads at it are repeatable.

    Args:
        settings: Where Kudu is.
        snapshot_ms: Milliseconds since 1970 UTC; now when None.

    Returns:
        Milliseconds since 1970 UTC.

    Raises:
        InputError: The snapshot is more than a minute in the future.
    """
    at = resolve_snapshot(snapshot_ms)
    wait_for_snapshot(at, settings)
    return at


def settle_seconds(settings: Settings) -> float:
    """How old a snapshot must be before reads at it are repeatable.

    Example:
        >>> settle_seconds(Settings(kudu_masters="kudu-1:7051,kudu-2:7051,kudu-3:7051"))
        2.0
        >>> settle_seconds(Settings(kudu_masters="127.0.0.1:7051"))
        0.2
    """
    hosts = [address.rpartition(":")[0].strip() for address in settings.masters().split(",")]
    return ONE_CLOCK_SECONDS if all(map(_on_this_machine, hosts)) else SETTLE_SECONDS


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def wait_for_snapshot(snapshot_ms: int, settings: Settings) -> None:
    """Waits until a snapshot is `settle_seconds` old: from then on it always reads the same.

    Raises:
        InputError: It is more than a minute ahead: this machine's clock was set back meanwhile.
    """
    ahead = snapshot_ms / 1000 - time.time()
    if ahead > _AHEAD_SECONDS:
        raise InputError(
            f"snapshot {snapshot_ms} is {ahead:,.0f} s ahead of this machine's clock now, which was set back "
            "after the snapshot was chosen; run again"
        )
    settle = settle_seconds(settings)
    if ahead > settle:
        _log.warning("waiting %.0f s for the snapshot: it is ahead of this machine's clock", ahead)
    # Nothing sets the event: wait() times out when the moment has come, and an interrupt ends it.
    threading.Event().wait(max(0.0, ahead + settle))

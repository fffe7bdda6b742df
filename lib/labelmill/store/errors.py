"""Errors of a Kudu that does not answer or refuses rows, worded alike for every driver."""

from __future__ import annotations

from collections.abc import Sequence

from labelmill.errors import InputError, RowsRefused, ScannerExpired, StoreError, StoreUnreachable
from labelmill.store.schema.types import Table

SAMPLES = 5
"""Refused rows that an error message shows."""

_SILENT = ("Timed out", "Network error", "Service unavailable", "TIMED_OUT")


def unreachable(
    doing: str, masters: str, timeout_seconds: float | None, reason: str
) -> StoreUnreachable:
    """The error for masters that do not answer; ``None``: the timeout is not ours to name."""
    within = "" if timeout_seconds is None else f" within {timeout_seconds:g} s"
    return StoreUnreachable(
        f"{doing}: Kudu at {masters} did not answer{within} ({short(reason)}). "
        "Is it running? `bin/labelmill status` shows the one-machine cluster, `bin/labelmill up` "
        "starts it; another cluster is named with LABELMILL_KUDU_MASTERS."
    )


def expired(doing: str, masters: str) -> ScannerExpired:
    """The error for a scanner that Kudu has closed."""
    return ScannerExpired(
        f"{doing} at {masters}: nothing was read for so long that Kudu closed the scanner (after 60 s "
        "by default, --scanner_ttl_ms). Read to the end before long work, or scan again"
    )


def missing(doing: str, masters: str, text: str) -> StoreError:
    """The error for a table that does not exist."""
    return StoreError(
        f"{doing} at {masters}: it does not exist ({short(text)}). Tables are made by the "
        "first job that uses them, or by `ensure`; is the table prefix the right one?"
    )


def is_expired(text: str) -> bool:
    """Whether Kudu's message for something that it does not find means a scanner."""
    return "canner" in text and "expired" in text


def is_forgotten(text: str) -> bool:
    """Whether Kudu's message means a snapshot that is older than its history."""
    return "ancient history mark" in text


def forgotten(doing: str, masters: str) -> InputError:
    """The error for a snapshot that is older than Kudu's history."""
    return InputError(
        f"{doing}: the snapshot is older than Kudu at {masters} keeps history (7 days by "
        "default, --tablet_history_max_age_sec); read at a later time, or use the training set "
        "that was frozen then"
    )


def short(text: str) -> str:
    """Kudu's own message on one line, without its client's traces, at most 300 characters."""
    line = " ".join(text.split(", TimeoutTracker")[0].split())
    return line if len(line) <= 300 else line[:300] + "…"


def refused(
    table: Table, samples: Sequence[tuple[str, str]], count: int, total: int, operation: str
) -> RowsRefused | StoreUnreachable:
    """The error for refused rows.

    Args:
        table: Table of the write.
        samples: Row (or its key) and Kudu's status, at most `SAMPLES`.
        count: Rows refused.
        total: Rows sent.
        operation: What the write was to do.
    """
    shown = "; ".join(f"{row}: {status}" for row, status in samples)
    message = f"Kudu refused {count} of {total} rows ({operation} into {table.name}): {shown}"
    if all(any(mark in status for mark in _SILENT) for _, status in samples):
        return StoreUnreachable(
            f"{message}. Are the tablet servers running (`kudu cluster ksck`)? "
            "Writing the same rows again is safe with upsert and the *_ignore operations."
        )
    hint = ""
    if any("lready present" in status for _, status in samples):
        hint = ". Rows with these keys exist: use upsert to replace or insert_ignore to keep them"
    return RowsRefused(message + hint)

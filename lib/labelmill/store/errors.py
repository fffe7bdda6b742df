"""Errors of a Kudu that does not answer or refuses rows: the same words from every driver."""

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
    """The error for masters that do not answer; ``None`` when the route has its own timeout."""
    within = "" if timeout_seconds is None else f" within {timeout_seconds:g} s"
    return StoreUnreachable(
        f"{doing}: Kudu at {masters} did not answer{within} ({short(reason)}). "
        "Is it running? `bin/labelmill status` shows the one-machine cluster, `bin/labelmill up` "
        "starts it; another cluster is named with LABELMILL_KUDU_MASTERS."
    )


def expired(doing: str, masters: str) -> ScannerExpired:
    """The error for a scanner that the server has forgotten."""
    return ScannerExpired(
        f"{doing} at {masters}: nothing was read for so long that the server forgot the scan (60 s "
        "unless its --scanner_ttl_ms says otherwise). Read to the end before long work, or scan again"
    )


def missing(doing: str, masters: str, text: str) -> StoreError:
    """The error for a table that does not exist."""
    return StoreError(
        f"{doing} at {masters}: it does not exist ({short(text)}). Tables are made by the "
        "first job that uses them, or by `ensure`; is the table prefix the right one?"
    )


def is_expired(text: str) -> bool:
    """Whether Kudu's words for something that it does not find mean a scanner."""
    return "canner" in text and "expired" in text


def is_forgotten(text: str) -> bool:
    """Whether Kudu's words mean a snapshot that it does not remember."""
    return "ancient history mark" in text


def forgotten(doing: str, masters: str) -> InputError:
    """The error for a snapshot that Kudu has forgotten."""
    return InputError(
        f"{doing}: the snapshot is older than Kudu at {masters} keeps history (7 days by "
        "default, --tablet_history_max_age_sec); read at a later time, or use the training set "
        "that was frozen then"
    )


def short(text: str) -> str:
    """Kudu's own words on one line, without its client's traces, at most 300 characters."""
    line = " ".join(text.split(", TimeoutTracker")[0].split())
    return line if len(line) <= 300 else line[:300] + "…"


def refused(
    table: Table, samples: Sequence[tuple[str, str]], count: int, total: int, operation: str
) -> RowsRefused | StoreUnreachable:
    """The error for refused rows.

    Args:
        table: Where they were to go.
        samples: Row (or its key) and Kudu's status, at most `SAMPLES`.
        count: Rows refused.
        total: Rows sent.
        operation: What was to be done.
    """
    shown = "; ".join(f"{row}: {status}" for row, status in samples)
    message = f"Kudu refused {count} of {total} rows ({operation} into {table.name}): {shown}"
    if all(any(mark in status for mark in _SILENT) for _, status in samples):
        return StoreUnreachable(
            f"{message}. Are the tablet servers running (`kudu cluster ksck`)? "
            "Writing the same rows again is safe with upsert and the *_ignore operations."
        )
    mend = ""
    if any("lready present" in status for _, status in samples):
        mend = ". Rows with these keys exist: use upsert to replace or insert_ignore to keep them"
    return RowsRefused(message + mend)

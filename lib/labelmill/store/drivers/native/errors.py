"""Translates exceptions of kudu-python into our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labelmill.errors import LabelmillError, StoreError
from labelmill.store.errors import (
    expired,
    forgotten,
    is_expired,
    is_forgotten,
    missing,
    short,
    unreachable,
)

_SILENT = ("Timed out", "Network error", "Service unavailable")
"""Beginnings of Kudu's statuses that mean no answer."""


@contextmanager
def kudu_errors(doing: str, masters: str, timeout_seconds: float) -> Iterator[None]:
    """Translates an exception of kudu-python into one of ours.

    Raises:
        StoreUnreachable: Kudu did not answer in time.
        ScannerExpired: A scan was idle for too long.
        InputError: A snapshot older than Kudu's history.
        StoreError: Anything else that Kudu refused.
    """
    import kudu

    try:
        yield
    except LabelmillError:
        raise
    except kudu.KuduNotFound as error:
        if is_expired(str(error)):
            raise expired(doing, masters) from None
        raise missing(doing, masters, str(error)) from None
    except kudu.KuduException as error:
        text = str(error)
        if is_forgotten(text):
            raise forgotten(doing, masters) from None
        if any(mark in text for mark in _SILENT):
            raise unreachable(doing, masters, timeout_seconds, text) from None
        raise StoreError(f"{doing} at {masters}: {short(text)}") from None

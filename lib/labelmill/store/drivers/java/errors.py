"""Translates exceptions of Kudu's Java client into our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jpype

from labelmill.errors import StoreError
from labelmill.store.errors import (
    expired,
    forgotten,
    is_expired,
    is_forgotten,
    missing,
    short,
    unreachable,
)


@contextmanager
def kudu_errors(doing: str, masters: str, timeout_seconds: float) -> Iterator[None]:
    """Translates an exception of Kudu's client into one of ours.

    Args:
        doing: What was attempted, for the message.
        masters: Kudu's masters.
        timeout_seconds: Their timeout.

    Raises:
        StoreUnreachable: Kudu did not answer in time.
        ScannerExpired: A scan was idle for too long.
        InputError: A snapshot older than Kudu's history.
        StoreError: Anything else that Kudu refused.
    """
    try:
        yield
    except jpype.JException as error:
        text = str(error.getMessage() or error.toString())
        status = _status(error)
        if status is None and "UnknownHost" not in str(error.toString()):
            raise StoreError(f"{doing} at {masters}: {error.toString()}") from None
        if status is None or any(
            (status.isTimedOut(), status.isServiceUnavailable(), status.isNetworkError())
        ):
            raise unreachable(doing, masters, timeout_seconds, text) from None
        if is_forgotten(text):
            raise forgotten(doing, masters) from None
        if is_expired(text):
            raise expired(doing, masters) from None
        if status.isNotFound():
            raise missing(doing, masters, text) from None
        raise StoreError(f"{doing} at {masters}: {short(text)}") from None


def _status(error: Any) -> Any:
    cause = error
    while cause is not None:
        if hasattr(cause, "getStatus"):
            return cause.getStatus()
        cause = cause.getCause()
    return None

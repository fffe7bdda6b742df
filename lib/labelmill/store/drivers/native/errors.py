"""Translates exceptions of kudu-python into our errors."""

from __future__ import annotations

import re
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


_LITERAL = re.compile(r"""\bb(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")


def text_of(error: object) -> str:
    """What an exception or an error of a row says, as text: kudu-python keeps Kudu's words as bytes.

    Example::

        >>> text_of(ValueError(b"Not found: the table"))
        'Not found: the table'
    """
    arguments: tuple[object, ...] = getattr(error, "args", ())
    first = arguments[0] if len(arguments) == 1 else None
    if isinstance(first, bytes):
        return first.decode("utf-8", "replace")
    text = str(error) if isinstance(error, (BaseException, str)) else repr(error)
    return _LITERAL.sub(lambda found: found.group(1) or found.group(2) or "", text)


def is_silent(text: str) -> bool:
    """Whether Kudu's status means that nobody answered."""
    return any(mark in text for mark in _SILENT)


def is_table_gone(status: str) -> bool:
    """Whether the status of a row that was not written speaks of the table, not of the row's key."""
    return "Not found" in status and re.search(r"\b(table|tablet)\b", status, re.I) is not None


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
        if is_expired(text_of(error)):
            raise expired(doing, masters) from None
        raise missing(doing, masters, text_of(error)) from None
    except kudu.KuduException as error:
        text = text_of(error)
        if is_forgotten(text):
            raise forgotten(doing, masters) from None
        if is_silent(text):
            raise unreachable(doing, masters, timeout_seconds, text) from None
        raise StoreError(f"{doing} at {masters}: {short(text)}") from None

"""A digest of rows that depends on neither their order nor their partitioning."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

import numpy as np

from labelmill.errors import InputError

_MODULUS = 1 << 256


def rows_digest(rows: Iterable[Sequence[object]]) -> str:
    """Digest of a multiset of rows: equal for equal rows in any order, in any process.

    Each row is serialised with the type and length of every value and hashed with SHA-256; the hashes
    are added modulo 2^256, and the sum and count are hashed again. A duplicate row changes the digest.

    Args:
        rows: Values of None, bool, int, float, str, bytes, datetime, or lists of these. Integers of
            any width are equal when their values are; so are floats.

    Returns:
        64 hex digits.

    Raises:
        InputError: A value of another type.
    """
    total, count = 0, 0
    for row in rows:
        hashed = hashlib.sha256(b"".join([_canonical(value) for value in row])).digest()
        total = (total + int.from_bytes(hashed, "big")) % _MODULUS
        count += 1
    return hashlib.sha256(total.to_bytes(32, "big") + count.to_bytes(8, "big")).hexdigest()


def _canonical(value: object) -> bytes:
    """Type letter, length and bytes of one value."""
    if value is None:
        return b"n"
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return b"s%d:" % len(text) + text
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        return b"b%d:" % len(raw) + raw
    if isinstance(value, (bool, np.bool_)):
        return b"t" if value else b"f"
    if isinstance(value, (int, np.integer)):
        return b"i%d;" % int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        # One NaN, one zero: values that SQL and stores hold equal.
        return b"d" + struct.pack(">d", float("nan") if number != number else number + 0.0)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
        return b"m%d;" % ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
    if isinstance(value, (list, tuple)):
        return b"l%d:" % len(value) + b"".join([_canonical(item) for item in value])
    raise InputError(
        f"a row for a digest may hold None, bool, int, float, str, bytes, datetime and lists, "
        f"received {type(value).__name__}"
    )

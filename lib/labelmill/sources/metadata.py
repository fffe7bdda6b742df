"""Metadata that a source gives an image: class, split, and the JSON text of ``images.attributes``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

from labelmill.domain.splits.hashing import SPLITS_SHOWN

# As labelmill.domain.images.label_rules writes them; json.dumps would build an encoder each time.
_to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def attributes_of(values: Mapping[str, Any], texts: bool = False) -> str | None:
    """One JSON object, keys sorted; None when nothing is left.

    Args:
        values: Name → value; None and NaN are left out.
        texts: The values are untyped texts, as in CSV: what JSON accepts as a number becomes one,
            digit by digit as written (``007`` and ``1e999`` stay text).

    Raises:
        ValueError: A value that JSON cannot hold, such as bytes.
    """
    parts = []
    for name in sorted(values):
        value = values[name]
        if texts and _NUMBER.fullmatch(value) and math.isfinite(float(value)):
            parts.append(f"{_to_json(name)}: {value}")
        elif (value := _json_value(name, value)) is not None:
            parts.append(f"{_to_json(name)}: {_to_json(value)}")
    return "{" + ", ".join(parts) + "}" if parts else None


def _json_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if not math.isfinite(number):
            return None
        return int(value) if isinstance(value, Decimal) and value == int(value) else number
    if isinstance(value, Mapping):
        return {str(key): _json_value(name, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(name, one) for one in value]
    if isinstance(value, (date, time)):  # datetime is a date
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise ValueError(
        f"column {name!r} holds {type(value).__name__}, which cannot be an attribute; leave it out"
    )


def merge_attributes(*texts: str | None) -> str | None:
    """Merges JSON objects; keys of later ones win; None when there is none."""
    objects = [text for text in texts if text]
    if len(objects) < 2:
        return objects[0] if objects else None
    merged: dict[str, Any] = {}
    for text in objects:
        merged |= json.loads(text)
    return json.dumps(merged, sort_keys=True, ensure_ascii=False)


def escape_nul(uri: str) -> str:
    """The uri without NUL, which tables and terminals cannot hold; no file name has one."""
    return uri.replace("\0", "\\x00")


def parse_class(value: Any) -> str | None:
    """The class that a cell or a JSON value names; None stays None.

    Raises:
        ValueError: Neither text nor a whole number.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        # pandas writes whole numbers as floats where some are missing.
        return str(int(value))
    raise ValueError(f"label {repr(value)[:40]}; expected text or a whole number")


def parse_split(value: Any) -> str | None:
    """The split that a value names, in any case; None stays None.

    Raises:
        ValueError: No split.
    """
    split = {"val": "validation", "valid": "validation"}.get(str(value).lower(), str(value).lower())
    if value is None or split in SPLITS_SHOWN:
        return None if value is None else split
    raise ValueError(
        f"split {str(value)[:40]!r}; expected {', '.join(SPLITS_SHOWN)} or an empty cell (under another name "
        "the column becomes an attribute)"
    )

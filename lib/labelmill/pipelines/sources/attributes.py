"""What else a source says of an image, as the JSON text of ``images.attributes``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any

# As labelmill.domain.labelling writes them; json.dumps would build an encoder each time.
_written = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def attributes_of(values: Mapping[str, Any], texts: bool = False) -> str | None:
    """One JSON object, keys sorted; None when nothing is left.

    Args:
        values: Name → value; None and NaN are left out.
        texts: The values are texts whose types nobody wrote down, as in CSV: what is a number of
            JSON becomes one, digit by digit as it stands there (``007`` and ``1e999`` stay text).

    Raises:
        ValueError: A value that JSON cannot hold, such as bytes.
    """
    parts = []
    for name in sorted(values):
        value = values[name]
        if texts and _NUMBER.fullmatch(value) and math.isfinite(float(value)):
            parts.append(f"{_written(name)}: {value}")
        elif (value := _plain(name, value)) is not None:
            parts.append(f"{_written(name)}: {_written(value)}")
    return "{" + ", ".join(parts) + "}" if parts else None


def _plain(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if not math.isfinite(number):
            return None
        return int(value) if isinstance(value, Decimal) and value == int(value) else number
    if isinstance(value, Mapping):
        return {str(key): _plain(name, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(name, one) for one in value]
    if isinstance(value, (date, time)):  # datetime is a date
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise ValueError(
        f"column {name!r} holds {type(value).__name__}, which cannot be an attribute; leave it out"
    )

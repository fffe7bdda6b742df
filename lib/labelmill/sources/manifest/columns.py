"""What one row of a manifest says of a file; the decisions, without reading anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from labelmill.domain.images.paths import below
from labelmill.domain.timestamps import instant_of
from labelmill.errors import InputError
from labelmill.sources.metadata import (
    attributes_of,
    class_named,
    merged_attributes,
    quotable,
    split_named,
)

PLACE = re.compile(r"\{([^{}]*)\}")
"""A column in a pattern of paths."""


@dataclass(frozen=True)
class Columns:
    """Which column says what; None: none does.

    Attributes:
        uri: Path of the file.
        label: Its class.
        split: ``train``, ``validation`` or ``test``.
        time: When the image was made.
        rest: Columns that become attributes.
        attributes: Column of JSON objects, whose keys become attributes; those of `rest` win.
        to_the_letter: Blanks around a class belong to it: the manifest is an export's.
    """

    uri: str | None
    label: str | None
    split: str | None
    time: str | None
    rest: tuple[str, ...]
    attributes: str | None = None
    to_the_letter: bool = False


@dataclass(frozen=True)
class Meaning:
    """What a row of a manifest says of a file.

    Attributes:
        columns: Which column says what.
        pattern: How a path is made of columns, or empty.
        source: The manifest, for errors.
        roots: Names of the folder below which the files lie.
        texts: Cells are texts whose types nobody wrote down (CSV).
    """

    columns: Columns
    pattern: str
    source: str
    roots: tuple[str, ...]
    texts: bool

    def file_of(self, place: str, row: dict[str, Any]) -> dict[str, Any]:
        """The row of `labelmill.sources.base.FILES`.

        Args:
            place: Of the row, for errors.
            row: Column → value; text for CSV.

        Raises:
            InputError: A cell that cannot be meant.
        """
        try:
            named, columns = self._named(row), self.columns
            label = class_named(_cell(row, columns.label, strip=not columns.to_the_letter))
            attributes = attributes_of(
                {name: row[name] for name in columns.rest if row.get(name) is not None},
                texts=self.texts,
            )
            if columns.attributes:
                attributes = merged_attributes(_object(row.get(columns.attributes)), attributes)
            split, time = split_named(_cell(row, columns.split)), _time(_cell(row, columns.time))
        except ValueError as error:
            raise InputError(f"{self.source}, {place}: {error}") from None
        uri = next((p for p in (below(root, named) for root in self.roots) if p is not None), None)
        fault = _fault(named, uri)
        return {
            "uri": quotable(named) if fault or uri is None else uri,
            "size": 0,
            "class": label,
            "split": split,
            "origin": "manifest" if columns.label else None,
            "attributes": attributes,
            "source_time": time,
            "fault": fault,
        }

    def _named(self, row: dict[str, Any]) -> str:
        if self.pattern:
            return PLACE.sub(lambda found: _text(found[1], row.get(found[1])), self.pattern)
        assert self.columns.uri is not None
        return _text(self.columns.uri, row.get(self.columns.uri))


def _cell(row: dict[str, Any], column: str | None, strip: bool = True) -> Any:
    value = row.get(column) if column else None
    if isinstance(value, str):
        return (value.strip() if strip else value) or None
    return None if value != value else value  # NaN


def _object(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return attributes_of(value)
    if value is None or value == "":
        return None
    try:
        found = json.loads(value, parse_constant=_refused)
        # Escapes can spell half letters and numbers beyond all bounds, which no table takes.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"attributes {repr(value)[:40]}; expected a JSON object")
    return str(value) if found else None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _text(column: str, value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{column} is {'empty' if value in (None, '') else repr(value)[:40]}; expected a path")  # fmt: skip


def _time(value: Any) -> datetime | None:
    if isinstance(value, str):
        return instant_of(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)  # fmt: skip
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    if value is None:
        return None
    raise ValueError(f"source_time {repr(value)[:40]}; expected ISO 8601 text or a timestamp")


def _fault(named: str, uri: str | None) -> str | None:
    if uri is None:
        return "outside_root: the path leaves the folder of the manifest, and is not opened"
    # Names and classes that are too long for a table are the worker's to refuse, whatever the source.
    return "unreadable: the path holds a NUL; no file is named so" if "\0" in named else None


ABOUT_FILES = (
    "collection", "source_uri", "image_id", "width", "height", "channels", "dtype", "bytes", "sha256",
)  # fmt: skip
"""Columns of the manifest that tell of a file and where it came from; ingest leaves them out."""

"""The meaning of a manifest's columns: one row to one file. Reads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from labelmill.domain.images.paths import path_inside
from labelmill.domain.timestamps import parse_timestamp
from labelmill.errors import InputError
from labelmill.sources.metadata import (
    attributes_of,
    escape_nul,
    merge_attributes,
    parse_class,
    parse_split,
)

NO_CLASS = -1
"""Number that Hugging Face's datasets write where there is no class."""

_TRUTHS = {
    **dict.fromkeys(("1", "1.0", "true"), True),
    **dict.fromkeys(("0", "0.0", "false", "none"), False),
}

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
"""A column's name in a pattern of paths."""


@dataclass(frozen=True)
class Columns:
    """Which column has what; None: no column has it.

    Attributes:
        uri: Path of the file.
        label: Its class.
        split: ``train``, ``validation`` or ``test``.
        time: When the image was made.
        rest: Columns that become attributes.
        attributes: Column of JSON objects, whose keys become attributes; those of `rest` win.
        one_hot: Columns named like classes; the one that holds 1 is the class. In place of `label`.
        names: Classes by number, for a column of numbers; empty: a number is the class's name.
        is_export: The manifest of an export, whose classes are exact: spaces around one belong to it.
    """

    uri: str | None
    label: str | None
    split: str | None
    time: str | None
    rest: tuple[str, ...]
    attributes: str | None = None
    one_hot: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    is_export: bool = False


@dataclass(frozen=True)
class RowParser:
    """Turns rows of a manifest into files.

    Attributes:
        columns: Which column has what.
        pattern: How a path is built from columns, or empty.
        source: The manifest, for errors.
        roots: Names of the folder that contains the files.
        texts: Cells are untyped texts (CSV).
    """

    columns: Columns
    pattern: str
    source: str
    roots: tuple[str, ...]
    texts: bool

    def file_of(self, position: str, row: dict[str, Any]) -> dict[str, Any]:
        """The row of `labelmill.sources.base.FILES`.

        Args:
            position: Of the row, for errors, such as ``line 7``.
            row: Column → value; text for CSV.

        Raises:
            InputError: An invalid cell.
        """
        try:
            path, columns = self._path_of(row), self.columns
            label = _class_of(row, columns)
            attributes = attributes_of(
                {name: row[name] for name in columns.rest if row.get(name) is not None},
                texts=self.texts,
            )
            if columns.attributes:
                attributes = merge_attributes(
                    _attributes_cell(row.get(columns.attributes)), attributes
                )
            split, time = (
                parse_split(_cell(row, columns.split)),
                _parse_time(_cell(row, columns.time)),
            )
        except ValueError as error:
            raise InputError(f"{self.source}, {position}: {error}") from None
        uri = next(
            (p for p in (path_inside(root, path) for root in self.roots) if p is not None), None
        )
        fault = _fault(path, uri)
        return {
            "uri": escape_nul(path) if fault or uri is None else uri,
            "size": 0,
            "class": label,
            "split": split,
            "origin": "manifest" if columns.label or columns.one_hot else None,
            "attributes": attributes,
            "source_time": time,
            "fault": fault,
        }

    def _path_of(self, row: dict[str, Any]) -> str:
        if self.pattern:
            return PLACEHOLDER.sub(lambda found: _text(found[1], row.get(found[1])), self.pattern)
        assert self.columns.uri is not None
        return _text(self.columns.uri, row.get(self.columns.uri))


def _class_of(row: dict[str, Any], columns: Columns) -> str | None:
    if columns.one_hot:
        return _hot(row, columns.one_hot)
    value = _cell(row, columns.label, strip=not columns.is_export)
    if not columns.names or not isinstance(value, int) or isinstance(value, bool):
        return parse_class(value)
    if value == NO_CLASS:
        return None
    if not 0 <= value < len(columns.names):
        raise ValueError(
            f"{columns.label} is {value}; the file names {len(columns.names):,} classes, 0 to "
            f"{len(columns.names) - 1}"
        )
    return parse_class(columns.names[value])


def _hot(row: dict[str, Any], columns: tuple[str, ...]) -> str | None:
    hot = []
    for name in columns:
        value = _cell(row, name)
        truth = _TRUTHS.get(str(value).lower())
        if truth is None:
            raise ValueError(
                f"{name} is {repr(value)[:40]}; expected 0 or 1 in a column of --label-columns"
            )
        if truth:
            hot.append(name)
    if len(hot) > 1:
        raise ValueError(
            f"{', '.join(hot[:5])} are 1 in one row; an image has one class. Columns that do not exclude "
            "each other become attributes without --label-columns"
        )
    return parse_class(hot[0]) if hot else None


def _cell(row: dict[str, Any], column: str | None, strip: bool = True) -> Any:
    value = row.get(column) if column else None
    if isinstance(value, str):
        return (value.strip() if strip else value) or None
    return None if value != value else value  # NaN


def _attributes_cell(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return attributes_of(value)
    if value is None or value == "":
        return None
    try:
        found = json.loads(value, parse_constant=_refuse_constant)
        # Escapes can spell lone surrogates, and numbers can overflow; no table stores these.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"attributes {repr(value)[:40]}; expected a JSON object")
    return str(value) if found else None


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _text(column: str, value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{column} is {'empty' if value in (None, '') else repr(value)[:40]}; expected a path")  # fmt: skip


def _parse_time(value: Any) -> datetime | None:
    if isinstance(value, str):
        return parse_timestamp(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)  # fmt: skip
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    if value is None:
        return None
    raise ValueError(f"source_time {repr(value)[:40]}; expected ISO 8601 text or a timestamp")


def _fault(path: str, uri: str | None) -> str | None:
    if uri is None:
        return "outside_root: the path leaves the folder of the manifest, and is not opened"
    # The worker refuses names and classes that are too long for a table, whatever the source.
    return "unreadable: the path holds a NUL; no file is named so" if "\0" in path else None


EXPORT_COLUMNS = (
    "collection", "source_uri", "image_id", "width", "height", "channels", "dtype", "bytes", "sha256",
)  # fmt: skip
"""Columns that an export adds about the file and its origin; ingest does not make attributes of them."""

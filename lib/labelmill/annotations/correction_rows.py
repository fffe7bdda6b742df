"""Corrections as rows: from a CSV or Parquet file, or from Python values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labelmill.errors import InputError
from labelmill.sources.manifest import rows as manifest

REQUIRED = ("image_id", "class")
OPTIONAL = ("annotator", "annotated_at", "why", "collection")


@dataclass(frozen=True)
class CorrectionRow:
    """One row before it is checked.

    Attributes:
        position: For messages, such as ``line 7``.
        cells: Column → value.
        fault: Why it is no row; empty when it is one.
    """

    position: str
    cells: Mapping[str, Any]
    fault: str = ""


@dataclass(frozen=True)
class CorrectionRows:
    """Rows and where they come from.

    Attributes:
        rows: One pass over them.
        origin: Name of the file; empty: none.
        ignored: Columns of the file that mean nothing here.
    """

    rows: Iterator[CorrectionRow]
    origin: str = ""
    ignored: tuple[str, ...] = ()


def read_file(source: str) -> CorrectionRows:
    """Reads a file (``.csv``, ``.tsv``, either as ``.gz``, ``.parquet``), in parts.

    A line with too many or too few cells is a row with a fault.

    Raises:
        InputError: The file cannot be read, or has no column ``image_id`` or ``class``.
    """
    names = manifest.columns_of(source)
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise InputError(
            f"{source} has no column {' and no column '.join(missing)}; it has: {', '.join(names[:20])}. "
            f"Expected {', '.join(REQUIRED)}, and where they are known {', '.join(OPTIONAL)}"
        )
    ignored = tuple(name for name in names if name not in REQUIRED + OPTIONAL)
    found = _parquet(source) if manifest.is_parquet(source) else _csv(source, names)
    return CorrectionRows(found, os.path.basename(source), ignored)


def rows_of(given: Mapping[str, str] | Iterable[Mapping[str, Any]]) -> CorrectionRows:
    """Python values as rows.

    Args:
        given: Image id → class, or mappings with the columns of a file.
    """
    cells: Iterable[Mapping[str, Any]]
    if isinstance(given, Mapping):
        cells = ({"image_id": image, "class": label} for image, label in given.items())
    else:
        cells = given
    return CorrectionRows(
        CorrectionRow(f"row {number:,}", row) for number, row in enumerate(cells, 1)
    )


def _csv(source: str, names: list[str]) -> Iterator[CorrectionRow]:
    lines = manifest.csv_lines(source)
    next(lines)
    for position, cells in lines:
        row = dict(zip(names, cells, strict=False))
        fault = ""
        if len(cells) != len(names):
            fault = f"{len(cells)} cells, expected {len(names)} as in the first line"
        yield CorrectionRow(position, row, fault)


def _parquet(source: str) -> Iterator[CorrectionRow]:
    for position, row in manifest.rows(source):
        yield CorrectionRow(position, row)

"""The rows of a manifest, one at a time, each with the position that an error names."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from labelmill.errors import InputError

LINE_BYTES = 1 << 20
"""Longest line of a CSV manifest; a file with longer ones is not CSV."""

_BATCH_ROWS = 4096

Row = tuple[str, dict[str, Any]]
"""Position (``line 7``), and column → value; None where there is no value."""


def columns_of(source: str) -> list[str]:
    """The names of the columns.

    Raises:
        InputError: The manifest is empty, is not a table, or has two columns of one name.
    """
    if is_parquet(source):
        names = [name for schema, _ in _fragments(source) for name in schema]
        names = list(dict.fromkeys(names))
    else:
        _, names = next(csv_lines(source), ("", []))
    if not names:
        raise InputError(f"{source} is empty; expected a header line with the names of columns")
    twice = sorted({name for name in names if names.count(name) > 1 or not name.strip()})
    if twice:
        raise InputError(
            f"{source}: {twice} name no column, or more than one, in {_list_names(names)}"
        )
    return names


def rows(source: str) -> Iterator[Row]:
    """All rows, in order, read in parts.

    Text of CSV stays text; an empty cell is None.

    Raises:
        InputError: A row has too many or too few cells, or the file is damaged from here on.
    """
    return _parquet_rows(source) if is_parquet(source) else _csv_rows(source)


def is_parquet(source: str) -> bool:
    """Whether the manifest is Parquet, by its name."""
    return source.rstrip("/").lower().endswith(".parquet")


def _csv_rows(source: str) -> Iterator[Row]:
    lines = csv_lines(source)
    _, names = next(lines)
    for position, cells in lines:
        if len(cells) != len(names):
            raise InputError(
                f"{source}, {position}: {len(cells)} cells, expected {len(names)} ({_list_names(names)}); "
                "a cell with the separator or a line break must be in double quotes"
            )
        yield position, {name: cell or None for name, cell in zip(names, cells, strict=True)}


_NUL_MARK = "\U0010ffff"
"""Stands for NUL, which the csv module of Python 3.10 refuses; it is no character itself."""


def csv_lines(source: str) -> Iterator[tuple[str, list[str]]]:
    """Position and cells of each line that is not empty, the header first.

    Raises:
        InputError: Not CSV in UTF-8, or damaged.
    """
    try:
        with _open(source) as file:
            text = _text_lines(source, file)
            first = next(text, "")
            reader = csv.reader(_prepend(first, text), delimiter=_separator(source, first), strict=True)  # fmt: skip
            while True:
                # A quoted cell may span lines; the row's position is where it begins.
                position = f"line {reader.line_num + 1:,}"
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise InputError(f"{source}, {position}: {error}") from None
                if cells:
                    yield position, [cell.replace(_NUL_MARK, "\0") for cell in cells]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{source} is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error}") from None


def _open(source: str) -> IO[bytes]:
    with open(source, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(source) if packed else open(source, "rb")  # type: ignore[return-value]


def _text_lines(source: str, file: IO[bytes]) -> Iterator[str]:
    read: Callable[[], bytes] = lambda: file.readline(LINE_BYTES)  # noqa: E731
    for number, line in enumerate(iter(read, b""), 1):
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            raise InputError(
                f"{source}, line {number:,} has more than {LINE_BYTES:,} bytes; is it a CSV file?"
            )
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            yield text.replace("\0", _NUL_MARK)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{source}, line {number:,} is not UTF-8: byte {line[error.start]:#04x} at position "
                f"{error.start + 1}; save it as UTF-8 (`iconv -t utf-8`)"
            ) from None


def _separator(source: str, header: str) -> str:
    name = source.lower().removesuffix(".gz")
    if name.endswith(".tsv"):
        return "\t"
    # Spreadsheets write semicolons where the comma is the decimal mark.
    return ";" if ";" in header and "," not in header else ","


def _prepend(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


def _parquet_rows(source: str) -> Iterator[Row]:
    for _, (path, keys) in _fragments(source):
        start = 1
        name = os.path.basename(path)
        try:
            # Buffered reads: a row group may be as large as the file.
            with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
                for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
                    names = batch.schema.names
                    columns = [_values(batch.column(i)) for i in range(len(names))]
                    for number, cells in enumerate(zip(*columns, strict=True), start):
                        row = dict(zip(names, cells, strict=True))
                        yield f"row {number:,} of {name}", {**row, **keys}
                    start += batch.num_rows
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise InputError(f"{path} is damaged: {error}") from None


def _fragments(source: str) -> Iterator[tuple[list[str], tuple[str, dict[str, Any]]]]:
    """File by file: its columns, its path, and the values in its folders' names (``label=cat/``)."""
    try:
        found = ds.dataset(source, format="parquet", partitioning="hive")
        for fragment in sorted(found.get_fragments(), key=lambda one: one.path):
            keys = ds.get_partition_keys(fragment.partition_expression)
            yield [*fragment.physical_schema.names, *keys], (fragment.path, keys)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source} is not Parquet: {error}") from None


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        # Neither Python's datetime nor Kudu has nanoseconds.
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    return column.to_pylist()  # type: ignore[no-any-return]


def _list_names(names: list[str]) -> str:
    return ", ".join(names[:12]) + (" …" if len(names) > 12 else "")

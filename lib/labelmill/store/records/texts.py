"""Texts of any length: what does not fit a cell is cut into rows of ``text_parts``.

A column declared `long` holds the text itself, or a reference to its parts. The parts are named by the
hash of the whole text, so equal texts are stored once and writing again changes nothing. They are
written before the row that refers to them: a process that dies between leaves parts that nothing
refers to, and no row with a hole. Rows of releases without parts are read as they are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from labelmill.errors import StoreError
from labelmill.store.client import Operation, RowClient
from labelmill.store.schema.tables import CHUNK_BYTES, TABLES, TEXT_PARTS
from labelmill.store.schema.types import Table

_REFERENCE = re.compile(r'\{"text_parts": "([0-9a-f]{64})", "parts": (\d+), "bytes": (\d+)\}')
_ROWS_AT_ONCE = 32
"""Rows whose parts are read by one scan."""


def write(
    client: RowClient,
    table: Table,
    rows: Iterable[Mapping[str, object]],
    operation: Operation = "upsert",
) -> int:
    """Writes rows like `RowClient.write`; texts of `long` columns may have any length.

    Example::

        texts.write(client, SWEEPS, [{**row, "plan": plan_of_a_megabyte}])
    """
    stored = [store_parts(client, table, row) for row in rows]
    return client.write(table, stored, operation)


def store_parts(client: RowClient, table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """Stores the long texts of a row; returns the row with references in their place."""
    return {
        name: _refer(client, value) if isinstance(value, str) and table.column(name).long else value
        for name, value in row.items()
    }


def read(
    client: RowClient,
    table: Table,
    columns: Sequence[str] | None = None,
    where: Mapping[str, object] | None = None,
) -> Iterator[dict[str, object]]:
    """Reads rows like `RowClient.scan`, with the whole text in every `long` column.

    Raises:
        StoreError: A part is missing or altered.
    """
    # All rows first: a scanner that waits while parts are read would expire.
    return resolve(client, list(client.scan(table, columns, where)))


def resolve(client: RowClient, rows: Iterable[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Puts the whole texts in place of references, in rows that were read elsewhere.

    Raises:
        StoreError: A part is missing or altered.
    """
    left = iter(rows)
    while some := list(itertools.islice(left, _ROWS_AT_ONCE)):
        found = [
            (row, name, match)
            for row in some
            for name, value in row.items()
            if isinstance(value, str) and (match := _REFERENCE.fullmatch(value))
        ]
        texts = _texts(client, {match[1]: int(match[2]) for _, _, match in found})
        for row, name, match in found:
            row[name] = texts[match[1]]
        yield from some


def referenced(client: RowClient) -> set[str]:
    """SHA-256 (hex) of the texts that some row refers to."""
    found: set[str] = set()
    for table in TABLES.values():
        if columns := [column.name for column in table.columns if column.long]:
            client.ensure(table)
            for batch in client.scan(table, columns).batches():
                for column in batch.columns:
                    matches = (_REFERENCE.fullmatch(cell) for cell in column.to_pylist() if cell)
                    found.update(match[1] for match in matches if match)
    return found


def _refer(client: RowClient, text: str) -> str:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return text  # the client refuses it, and names the column and the row
    if len(data) <= CHUNK_BYTES and not _REFERENCE.fullmatch(text):
        return text
    sha256, parts = hashlib.sha256(data).hexdigest(), list(_cut(data))
    client.ensure(TEXT_PARTS)
    client.write(
        TEXT_PARTS,
        [{"sha256": sha256, "part": n, "text": part} for n, part in enumerate(parts)],
    )
    return json.dumps({"text_parts": sha256, "parts": len(parts), "bytes": len(data)})


def _cut(data: bytes) -> Iterator[str]:
    start = 0
    while start < len(data):
        end = min(start + CHUNK_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # not within a character
            end -= 1
        yield data[start:end].decode()
        start = end


def _texts(client: RowClient, parts_of: Mapping[str, int]) -> dict[str, str]:
    if not parts_of:
        return {}
    client.ensure(TEXT_PARTS)
    found: dict[str, dict[int, str]] = {sha256: {} for sha256 in parts_of}
    for row in client.scan(TEXT_PARTS, where={"sha256": sorted(parts_of)}):
        found[str(row["sha256"])][int(str(row["part"]))] = str(row["text"])
    whole = {}
    for sha256, parts in found.items():
        text = "".join(parts[number] for number in sorted(parts))
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            raise StoreError(
                f"text {sha256[:12]}… of {TEXT_PARTS.name} is damaged: {len(parts)} of "
                f"{parts_of[sha256]} parts are stored, and together they are not the text that was "
                "written. Run the job that wrote the row again"
            )
        whole[sha256] = text
    return whole

"""Compares tables in Kudu with their declarations: column by column, and by recorded version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from labelmill.errors import SchemaMismatch
from labelmill.store.schema.tables import SCHEMA_VERSIONS
from labelmill.store.schema.types import Table

if TYPE_CHECKING:
    from labelmill.store.client import RowClient

Described = tuple[str, str, bool, bool]
"""One column as Kudu has it: name, type (ours), part of the key, nullable."""

KUDU_TYPES: Mapping[str, str] = {
    "string": "STRING",
    "binary": "BINARY",
    "int8": "INT8",
    "int32": "INT32",
    "int64": "INT64",
    "float": "FLOAT",
    "double": "DOUBLE",
    "bool": "BOOL",
    "timestamp": "UNIXTIME_MICROS",
}
"""Our types → Kudu's."""

OUR_TYPES: Mapping[str, str] = {kudu: ours for ours, kudu in KUDU_TYPES.items()}
"""Kudu's types → ours."""


def check_columns(table: Table, full_name: str, found: Sequence[Described]) -> None:
    """Compares the columns in Kudu with the declared ones.

    Raises:
        SchemaMismatch: They differ; the message says how.
    """
    expected = [(c.name, c.type, c.key, c.nullable) for c in table.columns]
    if list(found) == expected:
        return
    have, want = {c[0]: c for c in found}, {c[0]: c for c in expected}
    differences = [f"{name} is missing" for name in want if name not in have]
    differences += [f"{name} is not declared" for name in have if name not in want]
    differences += [
        f"{name} is {_describe(have[name])}, expected {_describe(want[name])}"
        for name in want
        if name in have and have[name] != want[name]
    ]
    raise SchemaMismatch(
        f"table {full_name} has other columns than version {table.version} of {table.name}: "
        f"{'; '.join(differences) or 'they are in another order'}. {_FIX}"
    )


def check_version(client: RowClient, table: Table, full_name: str) -> None:
    """Records the version of a table that has none yet, and compares it.

    Raises:
        SchemaMismatch: Another version is recorded.
    """
    if table.name == SCHEMA_VERSIONS.name:
        return
    client.ensure(SCHEMA_VERSIONS)
    version = _recorded(client, table)
    if version is None:
        # A new table, or one whose creator was stopped before this line.
        row = {
            "table_name": table.name,
            "version": table.version,
            "created_at": datetime.now(timezone.utc),
        }
        client.write(SCHEMA_VERSIONS, [row], "insert_ignore")
        version = _recorded(client, table)
    if version != table.version:
        raise SchemaMismatch(
            f"table {full_name} was created with schema version {version}, this labelmill expects "
            f"version {table.version}. {_FIX}"
        )


def _recorded(client: RowClient, table: Table) -> object:
    rows = list(client.scan(SCHEMA_VERSIONS, ["version"], {"table_name": table.name}))
    return rows[0]["version"] if rows else None


def _describe(column: Described) -> str:
    _, type_, key, nullable = column
    return f"{type_}{' key' if key else ''}{' nullable' if nullable else ''}"


_FIX = (
    "Use the labelmill release that created it, put this one's tables beside it with another "
    "LABELMILL_TABLE_PREFIX, or drop the table if its rows can be recreated."
)

"""Schema versions of the tables themselves."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import key
from labelmill.store.schema.types import Column, Table

SCHEMA_VERSIONS = Table(
    "schema_versions",
    (
        key("table_name", "name of the table, without prefix"),
        Column("version", "int32", "schema version the table was created with"),
        Column("created_at", "timestamp", "when the table was created"),
    ),
    "schema version that each table was created with",
)

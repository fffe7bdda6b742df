"""Tables created and described through Kudu's Java client."""

from __future__ import annotations

from typing import Any

import jpype

from labelmill.store.drivers.java.jvm import java
from labelmill.store.drivers.schema_check import KUDU_TYPES, OUR_TYPES, Described
from labelmill.store.schema.types import Table


def create(client: Any, table: Table, name: str, buckets: int, replicas: int) -> None:
    """Creates the table with its declared encodings; fine if another process creates it first."""
    options = java("org.apache.kudu.client.CreateTableOptions")()
    options.setRangePartitionColumns(_list(table.range_on))
    if table.hash_on:
        options.addHashPartitions(_list(table.hash_on), buckets)
    options.setNumReplicas(replicas)
    try:
        client.createTable(name, _schema(table), options)
    except jpype.JException as error:
        if not (hasattr(error, "getStatus") and error.getStatus().isAlreadyPresent()):
            raise
        # Another process was first; opening the table waits until its tablets serve.


def describe(handle: Any) -> list[Described]:
    """Returns the columns that Kudu has."""
    return [
        (
            str(column.getName()),
            OUR_TYPES.get(str(column.getType().name()), str(column.getType().name())),
            bool(column.isKey()),
            bool(column.isNullable()),
        )
        for column in handle.getSchema().getColumns()
    ]


def _schema(table: Table) -> Any:
    builder = java("org.apache.kudu.ColumnSchema$ColumnSchemaBuilder")
    kudu_type = java("org.apache.kudu.Type")
    encoding = java("org.apache.kudu.ColumnSchema$Encoding")
    compression = java("org.apache.kudu.ColumnSchema$CompressionAlgorithm")
    columns = [
        builder(column.name, kudu_type.valueOf(KUDU_TYPES[column.type]))
        .key(column.key)
        .nullable(column.nullable)
        .encoding(encoding.valueOf(column.encoding))
        .compressionAlgorithm(compression.valueOf(column.compression))
        .comment(column.comment)
        .build()
        for column in table.columns
    ]
    return java("org.apache.kudu.Schema")(_list(columns))


def _list(items: Any) -> Any:
    result = java("java.util.ArrayList")()
    for item in items:
        result.add(item)
    return result

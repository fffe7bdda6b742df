"""Tables created and described through kudu-python."""

from __future__ import annotations

from typing import Any

from labelmill.store.drivers.schema_check import KUDU_TYPES, OUR_TYPES, Described
from labelmill.store.schema.types import Table

_ENCODINGS = {
    "DICT_ENCODING": "dict",
    "PLAIN_ENCODING": "plain",
    "PREFIX_ENCODING": "prefix",
    "BIT_SHUFFLE": "bitshuffle",
    "RLE": "rle",
}
_COMPRESSIONS = {"LZ4": "lz4", "NO_COMPRESSION": "none"}


def create(client: Any, table: Table, name: str, buckets: int, replicas: int) -> None:
    """Creates the table with its declared encodings; fine if another process creates it first."""
    import kudu
    from kudu.client import Partitioning

    builder = kudu.schema_builder()
    for column in table.columns:
        builder.add_column(
            column.name,
            type_=KUDU_TYPES[column.type].lower(),
            nullable=column.nullable,
            compression=_COMPRESSIONS[column.compression],
            encoding=_ENCODINGS[column.encoding],
        ).comment(column.comment)
    builder.set_primary_keys(list(table.key))
    partitioning = Partitioning().set_range_partition_columns(list(table.range_on))
    if table.hash_on:
        partitioning.add_hash_partitions(list(table.hash_on), buckets)
    try:
        client.create_table(name, builder.build(), partitioning, n_replicas=replicas)
    except kudu.KuduException as error:
        if "Already present" not in str(error):
            raise


def describe(handle: Any) -> list[Described]:
    """Returns the columns that Kudu has."""
    schema = handle.schema
    keys = set(schema.primary_keys())
    columns = [schema.at(i) for i in range(len(schema))]
    return [
        (
            column.name,
            OUR_TYPES.get(column.type.name.upper(), column.type.name),
            column.name in keys,
            bool(column.nullable),
        )
        for column in columns
    ]

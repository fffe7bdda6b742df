"""DataFrames in and out of Kudu, and the catalogue's tables as Spark SQL views.

A write must be the only work of its stage: persist and count the DataFrame first. An executor
whose heartbeat meets a write task before its first write can die of KUDU-3790, so decoding,
prediction or training must not run inside the task that writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.store.client import Operation, RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import ANNOTATIONS, TABLES
from labelmill.store.schema.truth import VIEWS
from labelmill.store.schema.types import Table, Type
from labelmill.store.spark import connector
from labelmill.store.spark.errors import spark_errors

SQL_TYPES: dict[Type, T.DataType] = {
    "string": T.StringType(),
    "binary": T.BinaryType(),
    "int8": T.ByteType(),
    "int32": T.IntegerType(),
    "int64": T.LongType(),
    "float": T.FloatType(),
    "double": T.DoubleType(),
    "bool": T.BooleanType(),
    "timestamp": T.TimestampType(),
}
"""Our types → Spark's. Timestamps are shown in the session's time zone: UTC in our sessions."""

_WIDENS = {
    "tinyint": ("smallint", "int", "bigint", "float", "double"),
    "smallint": ("int", "bigint", "float", "double"),
    "int": ("bigint", "double"),
    "float": ("double",),
    "double": ("float",),  # a probability computed in double; its precision is declared as float
}
"""Implicit casts of a write: Spark type → types it may become. None can turn a value into null or
another number."""


def spark_type(table: Table) -> T.StructType:
    """Returns the table's Spark schema, for ``mapInArrow`` and ``createDataFrame``."""
    return T.StructType(
        [T.StructField(c.name, SQL_TYPES[c.type], c.nullable) for c in table.columns]
    )


def read(
    spark: SparkSession,
    settings: Settings,
    table: Table,
    columns: Sequence[str] | None = None,
    predicate: str | SqlColumn | None = None,
    snapshot_ms: int | None = None,
) -> DataFrame:
    """Returns the rows of a table as a DataFrame; they are read when an action runs.

    Args:
        spark: Session with the Kudu connector.
        settings: Masters, prefix and timeout.
        table: Declared table; must exist (`ensure_all`).
        columns: Columns to read, in this order; ``None``: all. Only these are read from Kudu.
        predicate: SQL condition or Column. Kudu itself filters ``=``, ``<``, ``>``, ``IN``,
            ``LIKE 'x%'``, ``IS [NOT] NULL`` and their ``AND``; Spark filters the rest.
        snapshot_ms: Milliseconds since 1970 UTC; the same rows at each read. ``None``: newest rows.

    Raises:
        UnknownName: A column that the table does not have.
        StoreUnreachable: No master answered.
        StoreError: The table does not exist.
    """
    names = [table.column(name).name for name in columns] if columns is not None else None
    options = _options(settings, table)
    if snapshot_ms is not None:
        options["kudu.snapshotTimestampMs"] = str(snapshot_ms)
    connector.prepare(spark)
    with spark_errors(f"reading table {options['kudu.table']}", settings):
        frame = spark.read.format("kudu").options(**options).load()
    if predicate is not None:
        frame = frame.where(predicate)
    return frame.select(*names) if names is not None else frame


def write(df: DataFrame, settings: Settings, table: Table, operation: Operation = "upsert") -> None:
    """Writes a DataFrame, which should be persisted and counted already (see the module).

    Rows are whole: a nullable column that is missing becomes null, also in an existing row. A retried Spark task sends its rows again, so ``insert`` may
    refuse rows that the first attempt wrote; prefer the other operations.

    Raises:
        UnknownName: A column that the table does not have.
        InputError: A column is missing, or of a type whose cast could lose values.
        RowsRefused: Kudu refused rows; the message shows samples.
        StoreUnreachable: Kudu did not answer in time.
    """
    ready = _as_table(df, table, keys_only=operation == "delete_ignore")
    options = {**_options(settings, table), "kudu.operation": operation}
    connector.prepare(df.sparkSession)
    with spark_errors(f"writing to table {options['kudu.table']}", settings):
        ready.write.format("kudu").options(**options).mode("append").save()


def ensure_all(
    settings: Settings, client: RowClient | None = None, used: Collection[Table] | None = None
) -> None:
    """Creates every declared table that does not exist, and checks the others.

    Args:
        settings: Masters and prefix.
        client: Open client; ``None``: one is opened.
        used: Existing tables to check; each costs some calls to Kudu. ``None``: all.

    Raises:
        SchemaMismatch: A table of another version or other columns.
        StoreUnreachable: No master answered in time.
    """
    opened = client or open_client(settings)
    try:
        existing = () if used is None else opened.names()
        for table in TABLES.values():
            if used is None or table in used or settings.table_prefix + table.name not in existing:
                opened.ensure(table)
    finally:
        if client is None:
            opened.close()


def register_views(
    spark: SparkSession,
    settings: Settings,
    snapshot_ms: int | None = None,
    only: Collection[str] | None = None,
) -> list[str]:
    """Registers declared tables as temporary views, and ``truth`` and ``truth_conflicts`` over them.

    Args:
        spark: Session with the Kudu connector.
        settings: Masters and prefix.
        snapshot_ms: Snapshot of all views; ``None``: newest rows.
        only: Names of the views that are needed; each table's schema is read from Kudu, which takes
            a while for all. ``None``: all views.

    Returns:
        Names of the views.
    """
    views = [name for name in VIEWS if only is None or name in only]
    # Both views over tables read `annotations` and nothing else.
    tables = [n for n in TABLES if only is None or n in only or (views and n == ANNOTATIONS.name)]
    for name in tables:
        frame = read(spark, settings, TABLES[name], snapshot_ms=snapshot_ms)
        frame.createOrReplaceTempView(name)
    for name in views:
        spark.sql(VIEWS[name]).createOrReplaceTempView(name)
    return [*tables, *views]


def _options(settings: Settings, table: Table) -> dict[str, str]:
    return {
        "kudu.master": settings.masters(),
        "kudu.table": settings.table_prefix + table.name,
        "kudu.scanRequestTimeoutMs": str(max(1, round(settings.timeout_seconds * 1000))),
    }


def _as_table(df: DataFrame, table: Table, keys_only: bool) -> DataFrame:
    present = {field.name: field.dataType for field in df.schema.fields}
    for name in present:
        table.column(name)
    selected: list[SqlColumn] = []
    for column in table.columns:
        if keys_only and not column.key:
            continue
        if column.name not in present:
            if column.nullable:
                selected.append(F.lit(None).cast(SQL_TYPES[column.type]).alias(column.name))
                continue
            raise InputError(
                f"{table.name}.{column.name} is missing in the DataFrame, which has: "
                f"{', '.join(present) or 'no columns'}"
            )
        found, expected = present[column.name], SQL_TYPES[column.type]
        one = F.col(f"`{column.name}`")
        if found != expected:
            before, after = found.simpleString(), expected.simpleString()
            if before != "void" and after not in _WIDENS.get(before, ()):
                raise InputError(
                    f"{table.name}.{column.name} is {after}, the DataFrame has {before}; a cast "
                    f"could lose values, so do it before writing: .cast('{after}')"
                )
            one = one.cast(expected).alias(column.name)
        selected.append(one)
    return df.select(*selected)

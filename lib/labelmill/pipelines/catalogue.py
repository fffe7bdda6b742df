"""SQL over the catalogue: every table a view, one Kudu snapshot for all of them, reading only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.errors import StoreError, StoreUnreachable
from labelmill.pipelines import guard, guard_bytes, sampling, sql_parameters
from labelmill.pipelines.history import refuse_forgotten
from labelmill.pipelines.misfit import misfit
from labelmill.pipelines.parsed_plan import casts_of_bytes
from labelmill.pipelines.view_keys import KEYS
from labelmill.settings import Settings
from labelmill.store import spark as store
from labelmill.store.tables import IMAGE_CHUNKS, TABLES
from labelmill.store.truth import VIEWS

LOCKED = {
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
}
"""Set in every session that runs a query of a user, whatever was configured."""

_CHUNKS_AT_ONCE = 64
BATCH_BYTES = 16 << 20
"""Pixels of one Arrow batch, when images are large enough for 1,024 of them to matter."""


NAMES = (*TABLES, *VIEWS)
"""All views of the catalogue."""


def open_views(
    spark: SparkSession,
    settings: Settings,
    snapshot_ms: int | None = None,
    only: Collection[str] | None = None,
) -> tuple[SparkSession, list[str]]:
    """Opens a session beside `spark` in which the catalogue's views exist.

    It shares the executors and has its own views and configuration, so two slices at different
    snapshots do not meet. Tables that do not exist yet are created, empty.

    Args:
        spark: The running session.
        settings: Where Kudu is.
        snapshot_ms: Milliseconds since 1970 UTC that all views are read at; newest when None.
        only: Names of the views that are needed; all when None.

    Returns:
        The session and the names of its views.

    Raises:
        StoreError: Kudu refused.
        StoreUnreachable: No master answered.
    """
    own = _locked(spark)
    return own, _register(own, settings, snapshot_ms, only)


def query(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    snapshot_ms: int | None = None,
    repeatable: bool = False,
    parameters: Mapping[str, str] | None = None,
    remembered: bool = False,
) -> DataFrame:
    """The answer to one query, after the guard; nothing of it runs before an action.

    Args:
        spark: The running session; the DataFrame's own session is beside it.
        settings: Where Kudu is.
        sql: One query over the views.
        snapshot_ms: Milliseconds since 1970 UTC; newest when None.
        repeatable: Refuse what may answer otherwise when it runs again (`guard.check`), and let
            ``TABLESAMPLE`` draw the same rows each time (`sampling`).
        parameters: Name → text of each ``:parameter`` of the query (`sql_parameters.value`).
        remembered: The caller asks Kudu itself whether it remembers the snapshot (`history`).

    Raises:
        QueryRefused: The text does more than read.
        UnknownName: An unknown view, column or parameter; the near one is suggested.
        InputError: Not SQL, columns, types and functions that do not fit, a parameter without a
            value, or a snapshot older than Kudu's history.
        StoreError: Kudu refused.
    """
    own = _locked(spark)
    checked = guard.check(own, sql, NAMES, repeatable)
    values = sql_parameters.bind(checked.parameters, parameters or {})
    names = _register(own, settings, snapshot_ms, checked.views)
    if not remembered:
        refuse_forgotten(own, settings, names, snapshot_ms)
    return answer(own, sql, checked, values, repeatable)


def answer(
    own: SparkSession,
    sql: str,
    checked: guard.Checked,
    values: Mapping[str, Any],
    repeatable: bool = False,
) -> DataFrame:
    """The answer to a query that the guard has checked.

    Args:
        own: A session that has the views (`open_views`) and nothing else.
        sql: The query.
        checked: What `guard.check` said of it.
        values: Parameter → value (`sql_parameters.bind`).
        repeatable: As the query was checked.

    Raises:
        UnknownName: An unknown column; the near one is suggested.
        InputError: Columns, types and functions that do not fit; bytes that are taken for text.
    """
    if checked.samples:
        sql, views = sampling.rewritten(sql, checked.samples, KEYS)
        for name, view in views.items():
            own.sql(view).createOrReplaceTempView(name)
        # What runs is what the guard has seen.
        guard.check(own, sql, [*NAMES, *views], repeatable)
    try:
        # The values become literals of the parsed plan; they are never text of the query.
        found = own.sql(sql, args=dict(values))
    except (PySparkException, Py4JJavaError) as error:
        raise misfit(error) from None
    guard_bytes.refuse_casts(casts_of_bytes(found))
    return found


def _locked(spark: SparkSession) -> SparkSession:
    own = spark.newSession()
    for key, value in LOCKED.items():
        own.conf.set(key, value)
    return own


def _register(
    own: SparkSession, settings: Settings, snapshot_ms: int | None, only: Collection[str] | None
) -> list[str]:
    try:
        return store.register_views(own, settings, snapshot_ms, only)
    except StoreUnreachable:
        raise
    except StoreError:
        # A Kudu that nothing was written to yet: its catalogue is there, and empty.
        store.ensure_all(settings)
        return store.register_views(own, settings, snapshot_ms, only)


def literal(text: str) -> str:
    """A SQL string literal; names come from people."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def with_pixels(df: DataFrame, settings: Settings, snapshot_ms: int | None = None) -> DataFrame:
    """Fills ``pixels`` of images that are stored in ``image_chunks``.

    Args:
        df: Has ``collection``, ``image_id`` and ``pixels``; rows with pixels are left alone.
        settings: Where Kudu is.
        snapshot_ms: The snapshot that `df` was read at.

    Returns:
        The same columns in the same order; ``pixels`` stays null where all chunks are missing and
        is short where some are: whoever reads it compares the length with the shape. Where images
        are large, Arrow batches of the DataFrame's session are made smaller.
    """
    spark = df.sparkSession
    chunks = store.read(spark, settings, IMAGE_CHUNKS, snapshot_ms=snapshot_ms)
    if chunks.where("chunk = 0").limit(1).isEmpty():
        return df
    _make_room(df)
    key = ["collection", "image_id"]
    # Joined in two steps: one long chain of concat would copy the bytes once per chunk.
    parts = _joined(
        chunks.withColumn("part", F.expr(f"chunk div {_CHUNKS_AT_ONCE}")),
        [*key, "part"],
        "chunk",
        "data",
    ).select(*key, "part", F.col("joined").alias("data"))
    assembled = _joined(parts, key, "part", "data").withColumnRenamed("joined", "pixels")
    # One join, no union of two filters: a query whose rows differ each time it runs (a limit without
    # an order) must run once, or rows get lost and doubled.
    joined = df.join(assembled.withColumnRenamed("pixels", "assembled"), key, "left")
    filled = joined.withColumn("pixels", F.coalesce("pixels", "assembled"))
    return filled.select(*(F.col(f"`{name}`") for name in df.columns))


def _make_room(df: DataFrame) -> None:
    """Sets the DataFrame's session so that its large images fit small executors."""
    size = F.expr("height * width * channels * if(dtype = 'uint16', 2L, 1L)")
    large = df.where(F.col("pixels").isNull())
    row = large.agg(F.max(size).alias("most"), F.sum(size).alias("total")).collect()[0]
    if not row["most"]:
        return
    conf = df.sparkSession.conf
    conf.set(
        "spark.sql.execution.arrow.maxRecordsPerBatch",
        str(max(1, min(1024, BATCH_BYTES // row["most"]))),
    )
    # Rows that are gathered at once before Spark sorts instead, and partitions that are not merged.
    conf.set("spark.sql.objectHashAggregate.sortBased.fallbackThreshold", "4")
    conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    partitions = max(
        int(conf.get("spark.sql.shuffle.partitions") or 4), row["total"] // BATCH_BYTES
    )
    conf.set("spark.sql.shuffle.partitions", str(min(partitions, 10_000)))


def _joined(df: DataFrame, key: list[str], order: str, data: str) -> DataFrame:
    ordered = F.array_sort(F.collect_list(F.struct(order, data)))
    return (
        df.groupBy(*key)
        .agg(ordered.alias("parts"))
        .select(
            *key,
            F.expr(
                f"aggregate(parts, cast('' as binary), (all, p) -> concat(all, p.{data}))"
            ).alias("joined"),
        )
    )

"""Read-only SQL over the catalogue: every table is a view, and all are read at one Kudu snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import StoreError, StoreUnreachable
from labelmill.settings import Settings
from labelmill.sql.analysis_errors import analysis_error
from labelmill.sql.guard.binary_as_text import refuse_casts
from labelmill.sql.guard.check import CheckedQuery, check_query
from labelmill.sql.history import refuse_forgotten
from labelmill.sql.parameters import bind
from labelmill.sql.plan.reader import Casts, read_casts
from labelmill.sql.sampling import rewrite_samples
from labelmill.sql.snapshot import resolve_snapshot
from labelmill.sql.text_parameters import bind_as_text
from labelmill.sql.view_keys import KEYS
from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.truth import VIEWS
from labelmill.store.spark.frames import ensure_all, register_views

LOCKED = {
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
}
"""Set in every session that runs a user's query, whatever is configured."""


NAMES = (*TABLES, *VIEWS)
"""All views of the catalogue."""


def open_views(
    spark: SparkSession,
    settings: Settings,
    snapshot_ms: int | None = None,
    only: Collection[str] | None = None,
) -> tuple[SparkSession, list[str]]:
    """Opens a session beside `spark` that has the catalogue's views.

    It shares the executors but has its own views and configuration, so slices at different snapshots
    do not interfere. Tables that do not exist yet are created empty.

    Args:
        spark: The running session.
        settings: Where Kudu is.
        snapshot_ms: Milliseconds since 1970 UTC at which all views are read; newest when None.
        only: Names of the views to register; all when None.

    Returns:
        The session and the names of its views.

    Raises:
        StoreError: Kudu refused.
        StoreUnreachable: No Kudu master answered.
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
    """Checks one query and returns its answer; nothing runs before an action.

    Args:
        spark: The running session; the DataFrame gets a session of its own beside it.
        settings: Where Kudu is.
        sql: One query over the views.
        snapshot_ms: Milliseconds since 1970 UTC; newest when None.
        repeatable: Refuse whatever may give another answer when it runs again (`guard`), and make
            ``TABLESAMPLE`` draw the same rows each time (`sampling`).
        parameters: Name → text of each ``:parameter`` of the query (`parameters.parse_value`).
        remembered: The caller checks itself that Kudu still keeps the snapshot (`history`).

    Raises:
        QueryRefused: The text does more than read.
        UnknownName: An unknown view, column or parameter; suggests the closest match.
        InputError: Not SQL; columns, types or functions that do not fit; a parameter without a
            value; a snapshot older than Kudu's history, or in the future.
        StoreError: Kudu refused.
    """
    if snapshot_ms is not None:
        snapshot_ms = resolve_snapshot(snapshot_ms)
    own = _locked(spark)
    checked = check_query(own, sql, NAMES, repeatable)
    texts = parameters or {}
    values = bind(checked.parameters, texts)
    names = _register(own, settings, snapshot_ms, checked.views)
    if not remembered:
        refuse_forgotten(own, settings, names, snapshot_ms)
    return answer(own, sql, checked, values, repeatable, texts)


def answer(
    own: SparkSession,
    sql: str,
    checked: CheckedQuery,
    values: Mapping[str, Any],
    repeatable: bool = False,
    texts: Mapping[str, str] | None = None,
) -> DataFrame:
    """The answer to a query that has passed the guard.

    Args:
        own: A session that has only the catalogue's views (`open_views`).
        sql: The query.
        checked: The result of `check_query`.
        values: Parameter → value (`parameters.bind`).
        repeatable: Whether it was checked as repeatable.
        texts: Parameter → text that its value was parsed from: what is compared with text is bound
            as text (`text_parameters`).

    Raises:
        UnknownName: An unknown column; suggests the closest match.
        InputError: Columns, types or functions that do not fit; binary data used as text.
    """
    if checked.samples:
        sql, views = rewrite_samples(sql, checked.samples, KEYS)
        for name, view in views.items():
            own.sql(view).createOrReplaceTempView(name)
        # The text has changed: the guard must see what runs.
        check_query(own, sql, [*NAMES, *views], repeatable)

    def analyse(bound: Mapping[str, Any]) -> tuple[DataFrame, Casts]:
        try:
            # Values become literals of the parsed plan, never part of the query's text.
            df = own.sql(sql, args=dict(bound))
        except (PySparkException, Py4JJavaError) as error:
            raise analysis_error(error) from None
        return df, read_casts(df)

    df, casts = bind_as_text(analyse, values, texts or {})
    refuse_casts(casts.binary)
    return df


def _locked(spark: SparkSession) -> SparkSession:
    own = spark.newSession()
    for key, value in LOCKED.items():
        own.conf.set(key, value)
    return own


def _register(
    own: SparkSession, settings: Settings, snapshot_ms: int | None, only: Collection[str] | None
) -> list[str]:
    try:
        return register_views(own, settings, snapshot_ms, only)
    except StoreUnreachable:
        raise
    except StoreError:
        # Nothing was ever written to this Kudu: create the tables, empty.
        ensure_all(settings)
        return register_views(own, settings, snapshot_ms, only)


def literal(text: str) -> str:
    """A text as a SQL string literal.

    Example:
        >>> print(literal("it's"))
        'it\\'s'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

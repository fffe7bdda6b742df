"""SQL over the catalogue: every table a view, one Kudu snapshot for all of them, reading only."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import StoreError, StoreUnreachable
from labelmill.settings import Settings
from labelmill.sql import parameters as sql_parameters
from labelmill.sql import sampling
from labelmill.sql.analysis_errors import misfit
from labelmill.sql.guard import binary_as_text as guard_bytes
from labelmill.sql.guard import check as guard
from labelmill.sql.history import refuse_forgotten
from labelmill.sql.plan.reader import casts_of_bytes
from labelmill.sql.view_keys import KEYS
from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.truth import VIEWS
from labelmill.store.spark import frames as store

LOCKED = {
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
}
"""Set in every session that runs a query of a user, whatever was configured."""


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

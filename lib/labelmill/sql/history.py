"""How far back Kudu can be read.

How long it keeps history is a setting of its tablet servers, so the check reads one row of one table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pyspark.sql import SparkSession

from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.spark.session import quiet
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.types import Table
from labelmill.store.spark.errors import spark_errors

RECENT_SECONDS = 60.0
"""No Kudu discards history this early, so younger snapshots are not checked."""


def refuse_forgotten(
    spark: SparkSession, settings: Settings, views: Sequence[str], snapshot_ms: int | None
) -> None:
    """Refuses a snapshot that Kudu no longer keeps before work starts on it; checks through Spark.

    Args:
        spark: Session that has the views at the snapshot.
        settings: For the message.
        views: Names of the registered views.
        snapshot_ms: Milliseconds since 1970 UTC; None is now.

    Raises:
        InputError: The snapshot is older than Kudu's history, or before 1970.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer.
    """
    if snapshot_ms is None or _is_recent(snapshot_ms):
        return
    table = next((TABLES[name] for name in views if name in TABLES), None)
    if table is not None:
        doing = f"reading {table.name} at snapshot {snapshot_ms}"
        with quiet(spark), spark_errors(doing, settings):
            spark.table(table.name).select(table.key[0]).head(1)


def refuse_forgotten_rows(client: RowClient, table: Table, snapshot_ms: int) -> None:
    """The same as `refuse_forgotten`, checked through the row client, which needs no Spark job.

    Args:
        client: Open client.
        table: Any table that exists.
        snapshot_ms: Milliseconds since 1970 UTC.

    Raises:
        InputError: The snapshot is older than Kudu's history, or before 1970.
        StoreError: Kudu refused.
        StoreUnreachable: Kudu did not answer.
    """
    if not _is_recent(snapshot_ms):
        next(client.scan(table, [table.key[0]], snapshot_ms=snapshot_ms), None)


def _is_recent(snapshot_ms: int) -> bool:
    if time.time() - snapshot_ms / 1000 < RECENT_SECONDS:
        return True
    if snapshot_ms < 1:
        raise InputError(f"snapshot {snapshot_ms}; expected milliseconds since 1970 UTC, above 0")
    return False

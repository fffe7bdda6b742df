"""Previews a named slice: its rows as a freeze would read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import QueryRefused
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.named_slices import NamedSlice
from labelmill.sql.snapshot import settled_snapshot


@dataclass(frozen=True)
class SlicePreview:
    """A slice at a snapshot; nothing has run yet.

    Attributes:
        rows: The query's rows.
        snapshot_ms: Snapshot of every table, milliseconds since 1970 UTC.
        note: Why it cannot be frozen; empty: its query gives no reason.
    """

    rows: DataFrame
    snapshot_ms: int
    note: str = ""


def preview_slice(
    spark: SparkSession,
    settings: Settings,
    named: NamedSlice,
    values: Mapping[str, str],
    snapshot_ms: int | None = None,
) -> SlicePreview:
    """Previews a slice. One that is not repeatable is previewed too, with a note.

    Args:
        spark: The running session.
        settings: Where Kudu is.
        named: The slice.
        values: Parameter values, from `NamedSlice.values`.
        snapshot_ms: Milliseconds since 1970 UTC; default: now.

    Raises:
        QueryRefused: The query does more than read.
        InputError: It is not SQL, or does not fit the catalogue.
        StoreError: Kudu refused.
    """
    at = settled_snapshot(settings, snapshot_ms)
    try:
        # As in a freeze, so that TABLESAMPLE draws the same rows.
        rows = catalogue.query(
            spark, settings, named.sql, at, repeatable=True, parameters=dict(values)
        )
    except QueryRefused as refusal:
        rows = catalogue.query(spark, settings, named.sql, at, parameters=dict(values))
        return SlicePreview(rows, at, f"this slice cannot be frozen: {refusal}")
    return SlicePreview(rows, at)

"""Rows of a named slice as a freeze would take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from labelmill.errors import QueryRefused
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.named_slices import NamedSlice
from labelmill.sql.snapshot import settled


@dataclass(frozen=True)
class Answer:
    """A slice at a snapshot; nothing has run yet.

    Attributes:
        rows: What the query gives.
        snapshot_ms: Milliseconds since 1970 UTC that every table is read at.
        note: Why it cannot be frozen; empty: it can, as far as its query tells.
    """

    rows: DataFrame
    snapshot_ms: int
    note: str = ""


def answer_slice(
    spark: SparkSession,
    settings: Settings,
    named: NamedSlice,
    values: Mapping[str, str],
    snapshot_ms: int | None = None,
) -> Answer:
    """Answers a slice; one that would not answer the same again is answered too, and told.

    Args:
        spark: The running session.
        settings: Where Kudu is.
        named: The slice.
        values: Of its parameters (`NamedSlice.values`).
        snapshot_ms: Milliseconds since 1970 UTC; now when None.

    Raises:
        QueryRefused: The query does more than read.
        InputError: It is not SQL, or does not fit the catalogue.
        StoreError: Kudu refused.
    """
    at = settled(snapshot_ms)
    try:
        # As when it is frozen, so that drawn rows (TABLESAMPLE) are the ones that a freeze draws.
        rows = catalogue.query(
            spark, settings, named.sql, at, repeatable=True, parameters=dict(values)
        )
    except QueryRefused as refusal:
        rows = catalogue.query(spark, settings, named.sql, at, parameters=dict(values))
        return Answer(rows, at, f"this slice cannot be frozen: {refusal}")
    return Answer(rows, at)

"""Plans made by hand, for tests that need neither Kudu nor Spark."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.plan import KuduPlan, Unit
from labelmill.live.kudu.window_order import Expected, WindowOrder

ROWS, EACH = 1000, 16
"""Rows of a plan, and bytes of each."""


def ids_of(count: int) -> list[str]:
    """Ids as images have them, ascending."""
    return sorted(hashlib.sha256(str(n).encode()).hexdigest() for n in range(count))


def plan_of(rows: int = ROWS, unit: int = 90) -> KuduPlan:
    """A plan of one collection, in units of some rows."""
    starts = range(0, rows, unit)
    return KuduPlan(
        sql="select …",
        parameters={"since": "2026"},
        snapshot_ms=5,
        target="class",
        classes=("a", "b"),
        shapes=(ShapeOf(4, 4, 1, "uint8"),),
        index=pa.table(
            {
                "image_id": ids_of(rows),
                "class": ["ab"[n % 2] for n in range(rows)],
                "shape": pa.array(np.zeros(rows, np.int32)),
            }
        ),
        units=tuple(
            Unit(
                "c",
                s,
                min(s + unit, rows),
                EACH * (min(s + unit, rows) - s),
                (bytes([0, s % 251]),),
            )
            for s in starts
        ),
    )


def order_of(
    plan: KuduPlan, seed: int = 1, shuffle: bool = True, size: int = 300 * EACH
) -> WindowOrder:
    """The order of a plan, by default in windows of 300 rows."""

    def ignored(_: Expected) -> None:
        pass

    return WindowOrder(len(plan), seed, shuffle, plan=plan, size=size, on_rows=ignored)


def epoch_of(order: WindowOrder, epoch: int, batch: int = 37) -> list[int]:
    """Rows of an epoch, taken in batches."""
    rows: list[int] = []
    for start in range(0, order.rows, batch):
        found, positions = order.at(epoch, start, min(start + batch, order.rows))
        assert positions.tolist() == list(range(start, min(start + batch, order.rows)))
        rows += found.tolist()
    return rows

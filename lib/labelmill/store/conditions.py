"""``where`` as checked conditions, which drivers turn into predicates of their own."""

from __future__ import annotations

from collections.abc import Mapping

from labelmill.store.rows import checked_value
from labelmill.store.tables import Table, Type

Condition = tuple[str, Type, list[object] | None]
"""Column, its type, and the values it may have; ``None``: it must be null."""


def conditions_of(table: Table, where: Mapping[str, object]) -> list[Condition] | None:
    """Checked conditions; ``None`` when no row can meet them (an empty list of values).

    Raises:
        UnknownName: No such column.
        InputError: A value of another type than the column's.
    """
    conditions: list[Condition] = []
    for name, value in where.items():
        kind = table.column(name).type
        if value is None:
            conditions.append((name, kind, None))
            continue
        many = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
        values = [checked_value(table, name, one) for one in many]
        if not values:
            return None
        conditions.append((name, kind, values))
    return conditions

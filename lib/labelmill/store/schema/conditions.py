"""Checks ``where`` and turns it into conditions, from which drivers make their own predicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from labelmill.errors import InputError
from labelmill.store.schema.rows import checked_value
from labelmill.store.schema.types import Table, Type


@dataclass(frozen=True)
class Between:
    """A range of values in ``where``.

    On a key column whose preceding key columns are given one value each, Kudu reads only this part
    of each tablet.

    Args:
        low: Least value; ``None``: from the beginning.
        high: First value beyond the range; ``None``: to the end.
    """

    low: object = None
    high: object = None


Condition = tuple[str, Type, "list[object] | Between | None"]
"""Column, its type, and the values it may have; ``None``: null."""


def conditions_of(table: Table, where: Mapping[str, object]) -> list[Condition] | None:
    """Returns checked conditions; ``None`` when no row can match (an empty list of values).

    Raises:
        UnknownName: No such column.
        InputError: A value of another type than the column's, or a range without ends.
    """
    conditions: list[Condition] = []
    for name, value in where.items():
        kind = table.column(name).type
        if value is None:
            conditions.append((name, kind, None))
            continue
        if isinstance(value, Between):
            conditions.append((name, kind, _range(table, name, value)))
            continue
        many = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
        values = [checked_value(table, name, one) for one in many]
        if not values:
            return None
        conditions.append((name, kind, values))
    return conditions


def _range(table: Table, name: str, given: Between) -> Between:
    if given.low is None and given.high is None:
        raise InputError(
            f"where {table.name}.{name}: a range without low and high; leave the column out to read "
            "all its values"
        )
    if table.column(name).type == "bool":
        raise InputError(f"where {table.name}.{name}: bool has no ranges; give the value")
    low, high = (
        None if end is None else checked_value(table, name, end) for end in (given.low, given.high)
    )
    return replace(given, low=low, high=high)

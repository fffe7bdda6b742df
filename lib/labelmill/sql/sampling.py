"""``TABLESAMPLE`` that draws the same rows each time, by a hash of their key.

Spark draws by a row's position in its partition, so it draws other rows when partitions change. In
slices that are frozen, the text of the sampled view is replaced, where the parser found it, by a view
of the rows whose hash falls below the share. A larger share with the same seed contains all rows of a
smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BITS = 53
"""Bits of the hash that count: a share is a double, which is exact to this many bits."""


@dataclass(frozen=True)
class Sample:
    """One ``VIEW TABLESAMPLE (…)`` of a query; spans are in code points, last one included.

    Attributes:
        view: The sampled view, lower case.
        share: Share of the rows, 0..1.
        seed: The number of ``REPEATABLE``; 0 without.
        relation: First and last character of the view's name.
        clause: First and last character of ``TABLESAMPLE (…) REPEATABLE (…)``.
        named: Whether the query gives the sampled view an alias.
    """

    view: str
    share: float
    seed: int
    relation: tuple[int, int]
    clause: tuple[int, int]
    named: bool

    def condition(self, key: Sequence[str]) -> str:
        """SQL condition that is true for the drawn rows.

        Args:
            key: Key columns of the view.
        """
        columns = ", ".join(f"`{name}`" for name in key)
        drawn = f"shiftrightunsigned(xxhash64({columns}, {self.seed}L), {64 - _BITS})"
        return f"{drawn} < {round(self.share * (1 << _BITS))}L"


def rewrite_samples(
    sql: str, samples: Sequence[Sample], keys: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, str]]:
    """Replaces each ``TABLESAMPLE`` of a query by a view of the drawn rows.

    Args:
        sql: The query.
        samples: All of its samples.
        keys: View → its key columns.

    Returns:
        The query, and name → SQL of each view that it needs.

    Example:
        >>> sql = "select * from images tablesample (10 percent)"
        >>> sample = Sample("images", 0.1, 0, (14, 19), (21, 44), named=False)
        >>> rewrite_samples(sql, [sample], {"images": ["image_id"]})[0].strip()
        'select * from labelmill_sample_0 as `images`'
    """
    views: dict[str, str] = {}
    changes: list[tuple[tuple[int, int], str]] = []
    for number, sample in enumerate(samples):
        name = f"labelmill_sample_{number}"
        views[name] = f"select * from {sample.view} where {sample.condition(keys[sample.view])}"
        # Without an alias, columns may be qualified by the view's name.
        changes.append((sample.relation, name if sample.named else f"{name} as `{sample.view}`"))
        changes.append((sample.clause, " "))
    for (first, last), text in sorted(changes, reverse=True):
        sql = sql[:first] + text + sql[last + 1 :]
    return sql, views

"""``TABLESAMPLE`` that draws the same rows each time: by a hash of their key.

Spark draws by the position of a row in its partition, so other rows when the partitions are cut
otherwise. For slices that are frozen the sampled view is replaced, in the text and at the place
that the parser says, by a view of the rows whose hash falls below the share. A larger share with
the same seed holds all rows of a smaller one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BITS = 53
"""Of the hash: a share is a double, which counts so many exactly."""


@dataclass(frozen=True)
class Sample:
    """One ``VIEW TABLESAMPLE (…)`` of a query; places are code points, the last one included.

    Attributes:
        view: What is drawn from, lower case.
        share: 0..1.
        seed: The number of ``REPEATABLE``, 0 without.
        relation: First and last character of the view's name.
        clause: First and last character of ``TABLESAMPLE (…) REPEATABLE (…)``.
        named: Whether the query gives the sampled view a name of its own.
    """

    view: str
    share: float
    seed: int
    relation: tuple[int, int]
    clause: tuple[int, int]
    named: bool

    def condition(self, key: Sequence[str]) -> str:
        """SQL that holds for the drawn rows.

        Args:
            key: Columns that tell the view's rows apart.
        """
        columns = ", ".join(f"`{name}`" for name in key)
        drawn = f"shiftrightunsigned(xxhash64({columns}, {self.seed}L), {64 - _BITS})"
        return f"{drawn} < {round(self.share * (1 << _BITS))}L"


def rewritten(
    sql: str, samples: Sequence[Sample], keys: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, str]]:
    """A query that reads views of drawn rows in place of ``TABLESAMPLE``.

    Args:
        sql: The query.
        samples: All of its samples.
        keys: View → its key.

    Returns:
        The query, and name → SQL of each view that it needs.
    """
    views: dict[str, str] = {}
    changes: list[tuple[tuple[int, int], str]] = []
    for number, sample in enumerate(samples):
        name = f"labelmill_sample_{number}"
        views[name] = f"select * from {sample.view} where {sample.condition(keys[sample.view])}"
        # Columns may be called by the view's name where the query gives no other.
        changes.append((sample.relation, name if sample.named else f"{name} as `{sample.view}`"))
        changes.append((sample.clause, " "))
    for (first, last), text in sorted(changes, reverse=True):
        sql = sql[:first] + text + sql[last + 1 :]
    return sql, views

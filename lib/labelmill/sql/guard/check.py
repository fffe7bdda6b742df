"""Decides whether a text is one query that only reads the catalogue's views.

Refusing "commands" is no guard: ``INSERT OVERWRITE DIRECTORY``, ``text.`/path` ``, ``reflect(…)``
and ``TRANSFORM … USING`` all parse as queries. So the plan of Spark's own parser is walked whole,
every node, expression, function and relation, and what is not listed in `guard_names` is refused.
Nothing is run or resolved on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from labelmill.sql.guard.walk import Walk
from labelmill.sql.plan.reader import parse, parses
from labelmill.sql.sampling import Sample


@dataclass(frozen=True)
class Checked:
    """What a query that may run was seen to need.

    Attributes:
        parameters: Names of its ``:parameters``, in the order of their first use.
        views: Views that it reads, lower case.
        samples: Its ``TABLESAMPLE``s; only looked for in repeatable queries.
    """

    parameters: tuple[str, ...]
    views: frozenset[str]
    samples: tuple[Sample, ...]


def check(spark: SparkSession, sql: str, views: Sequence[str], repeatable: bool = False) -> Checked:
    """Refuses whatever is not one query over `views`.

    Args:
        spark: Any session; only its parser is used.
        sql: The text.
        views: Names that may be read; compared without case.
        repeatable: Also refuse what may answer otherwise on the same snapshot (`guard_repeat`); for
            training sets.

    Raises:
        QueryRefused: The text does more than read; says which construct, and what is allowed.
        UnknownName: A relation that is no view; the near one is suggested.
        InputError: The text is not SQL, or takes constant bytes for text.
    """
    walk = Walk(sql, {view.lower() for view in views}, repeatable)
    walk.over(parse(spark, sql))
    return Checked(
        tuple(walk.parameters),
        frozenset(walk.read),
        tuple(_sample(spark, sql, draw) for draw in walk.draws),
    )


def _sample(spark: SparkSession, sql: str, draw: Sample) -> Sample:
    first, last = draw.clause
    # Spark rolls a seed where the query gives none, and a clause takes REPEATABLE only once.
    rolled = parses(spark, f"select 1 from t {sql[first : last + 1]} repeatable (1)")
    return replace(draw, seed=0) if rolled else draw

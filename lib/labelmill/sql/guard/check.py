"""Decides whether a text is one query that only reads the catalogue's views.

Refusing "commands" is not enough: ``INSERT OVERWRITE DIRECTORY``, ``text.`/path` ``, ``reflect(…)``
and ``TRANSFORM … USING`` all parse as queries. So the plan of Spark's own parser is walked
completely, every node, expression, function and relation, and whatever `allowlist` does not have is
refused. Nothing is run or resolved on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from labelmill.sql.guard.walk import GuardWalk
from labelmill.sql.plan.reader import parse, parses
from labelmill.sql.sampling import Sample


@dataclass(frozen=True)
class CheckedQuery:
    """What a query that may run needs.

    Attributes:
        parameters: Names of its ``:parameters``, in the order of their first use.
        views: Views that it reads, lower case.
        samples: Its ``TABLESAMPLE`` clauses; only collected for repeatable queries.
    """

    parameters: tuple[str, ...]
    views: frozenset[str]
    samples: tuple[Sample, ...]


def check_query(
    spark: SparkSession, sql: str, views: Sequence[str], repeatable: bool = False
) -> CheckedQuery:
    """Refuses any text that is not one query over `views`.

    Args:
        spark: Any session; only its parser is used.
        sql: The text.
        views: Names that may be read; case does not matter.
        repeatable: Also refuse whatever may give another answer on the same snapshot
            (`repeatability`); for training sets.

    Raises:
        QueryRefused: The text does more than read; names the construct, and what is allowed.
        UnknownName: A relation that is not a view; suggests the closest match.
        InputError: The text is not SQL, or uses constant binary data as text.
    """
    walk = GuardWalk(sql, {view.lower() for view in views}, repeatable)
    walk.over(parse(spark, sql))
    return CheckedQuery(
        tuple(walk.parameters),
        frozenset(walk.read),
        tuple(_with_given_seed(spark, sql, sample) for sample in walk.samples),
    )


def _with_given_seed(spark: SparkSession, sql: str, sample: Sample) -> Sample:
    first, last = sample.clause
    # Spark draws a seed where the query gives none. A clause takes REPEATABLE only once, so one that
    # still parses with another had no seed.
    drawn = parses(spark, f"select 1 from t {sql[first : last + 1]} repeatable (1)")
    return replace(sample, seed=0) if drawn else sample

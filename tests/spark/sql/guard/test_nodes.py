"""The nodes that unit tests build by hand are those that Spark's parser makes."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from labelmill.sql.plan.node import Node
from labelmill.sql.plan.reader import parse
from tests.helpers.plan_nodes import (
    alias,
    binary,
    call,
    column,
    expression,
    group,
    limit,
    named,
    number,
    over,
    parameter,
    plan,
    relation,
    rows_between,
    sample,
    select,
    sort,
    values,
    window,
    with_,
)

IMAGES = relation("images")
STAR = Node("org.apache.spark.sql.catalyst.analysis.UnresolvedStar", (Node("scala.None$"),))


@pytest.mark.parametrize(
    ("sql", "built"),
    [
        (
            "select uri from images i where mean > :low",
            select(
                plan(
                    "Filter",
                    expression("GreaterThan", column("mean"), parameter("low")),
                    named(IMAGES, "i"),
                )
            ),
        ),
        (
            "select uri from images order by mean, xxhash64(i.image_id) limit 5",
            limit(sort(select(IMAGES), column("mean"), call("xxhash64", column("i.image_id")))),
        ),
        ("select uri from images sort by mean", sort(select(IMAGES), column("mean"), whole=False)),
        ("select uri from images offset 2", plan("Offset", number(2), select(IMAGES))),
        (
            "with g as (select split from truth group by split) select uri from g",
            with_(select(relation("g")), g=group(relation("truth"), column("split"))),
        ),
        (
            "select row_number() over (order by mean) r from images",
            select(IMAGES, alias(over(call("row_number"), window(column("mean"))), "r")),
        ),
        (
            "select sum(mean) over (rows between unbounded preceding and current row) r from images",
            select(
                IMAGES,
                alias(
                    over(
                        call("sum", column("mean")),
                        window(
                            frame=rows_between(
                                expression("UnboundedPreceding$"), expression("CurrentRow$")
                            )
                        ),
                    ),
                    "r",
                ),
            ),
        ),
        (
            "select uri from images tablesample (10 percent) repeatable (7) as i",
            select(sample(named(IMAGES, "i"))),
        ),
        ("select * from values (X'f7', 1)", select(values((binary(), number(1))), STAR)),
    ],
)  # fmt: skip
def test_nodes_built_by_hand_are_those_of_the_parser(
    spark: SparkSession, sql: str, built: Node
) -> None:
    assert _plain(parse(spark, sql)) == _plain(built)


def _plain(node: Node) -> Node:
    """A node without positions; Scala has several kinds of list."""
    kind = "list" if node.kind.startswith("scala.collection.") else node.kind
    return Node(kind, tuple(map(_plain, node.children)), node.text)

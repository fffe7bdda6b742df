"""Whether an order is total, rows are groups, and ties matter: on nodes built by hand."""

from __future__ import annotations

import pytest

from labelmill.errors import QueryRefused
from labelmill.sql.guard.nondeterministic import ADVICE
from labelmill.sql.guard.repeatability import (
    is_over_groups,
    is_total_order,
    refuse_special_time,
    require_deterministic,
    require_ordered_limit,
    require_ordered_window,
    total_order_columns,
)
from labelmill.sql.plan.node import Node
from labelmill.sql.view_keys import KEY_COLUMNS
from tests.helpers.plan_nodes import (
    CATALYST,
    alias,
    call,
    column,
    expression,
    group,
    limit,
    literal,
    named,
    number,
    order,
    plan,
    relation,
    rows_between,
    select,
    sort,
    text,
    value,
    values,
    window,
)

IMAGES = relation("images")
KEY = frozenset({"image_id"})


@pytest.mark.parametrize("name", sorted(ADVICE))
def test_every_function_of_the_list_is_refused_with_what_to_use_instead(name: str) -> None:
    with pytest.raises(QueryRefused) as refused:
        require_deterministic(name)
    message = str(refused.value)
    assert message.startswith(f"{name} may return something else when the query runs again")
    assert "`" in message
    assert "{0}" not in message


def test_other_functions_are_not_refused() -> None:
    for name in ("sum", "xxhash64", "percentile", "rank"):
        require_deterministic(name)


def test_key_columns_and_their_aliases_make_an_order_total() -> None:
    query = select(
        IMAGES,
        alias(column("i.Image_Id"), "ID"),
        alias(column("mean"), "m"),
        alias(call("upper", column("image_id")), "upper_id"),
        alias(column("collection"), "c"),
    )
    assert total_order_columns(query) == KEY_COLUMNS | {"id"}
    assert "collection" not in KEY_COLUMNS


@pytest.mark.parametrize(
    ("by", "total"),
    [
        ([column("image_id")], True),
        ([column("mean"), column("i.IMAGE_ID")], True),
        ([call("xxhash64", column("image_id"), number(7))], True),
        ([column("mean")], False),
        ([column("image_id.x")], False),
        ([], False),
    ],
)
def test_an_order_is_total_when_it_names_a_key_column(by: list[Node], total: bool) -> None:
    assert is_total_order(order(*by), KEY) is total


@pytest.mark.parametrize(
    ("query", "groups"),
    [
        (IMAGES, False),
        (select(IMAGES), False),
        (group(IMAGES, column("split")), True),
        (plan("Distinct", select(IMAGES)), True),
        (values((text("a"),)), True),
        (plan("OneRowRelation"), True),
        (
            limit(sort(plan("Filter", column("a"), group(IMAGES, column("split"))), column("n"))),
            True,
        ),
        (named(group(IMAGES, column("split")), "g"), True),
        # A join of groups with a view has rows of the view.
        (plan("Join", group(IMAGES, column("split")), IMAGES), False),
        (group(IMAGES, column("split")).children[-1], False),
        (relation("Grouped"), True),
        (relation("plain"), False),
    ],
)
def test_rows_are_groups_when_no_view_shows_through(query: Node, groups: bool) -> None:
    assert is_over_groups(query, {"grouped": True, "plain": False}) is groups


def test_a_limit_needs_a_total_order_unless_rows_are_groups() -> None:
    def check(below: Node, over_groups: bool = False, name: str = "LocalLimit") -> None:
        require_ordered_limit(plan(name, number(5), below), "", KEY, over_groups)

    check(sort(IMAGES, column("image_id")))
    check(sort(IMAGES, column("all")))
    check(sort(IMAGES, column("mean")), over_groups=True)
    check(plan("Offset", number(2), sort(IMAGES, column("image_id"))))
    for below in (IMAGES, sort(IMAGES, column("image_id"), whole=False)):
        with pytest.raises(QueryRefused, match="LIMIT without ORDER BY takes arbitrary rows"):
            check(below, over_groups=True)
        with pytest.raises(QueryRefused, match="OFFSET without ORDER BY"):
            check(below, name="Offset")
    with pytest.raises(QueryRefused, match=r"ORDER BY … LIMIT: rows that tie.*mean, image_id"):
        check(sort(IMAGES, column("mean")))


def test_a_message_quotes_the_part_of_the_query() -> None:
    sql = "select uri from images order   by mean limit 5"
    start = sql.index("order")
    by = sort(IMAGES, column("mean"))
    placed = Node(by.kind, by.children, None, start, sql.index(" limit") - 1)
    with pytest.raises(QueryRefused, match=r"LIMIT \(order by mean\): rows that tie"):
        require_ordered_limit(plan("LocalLimit", number(5), placed), sql, KEY, False)


def test_a_sample_of_a_number_of_rows_is_refused_as_one() -> None:
    sql = "select * from images TableSample (5 rows)"
    rows = Node(f"{CATALYST}plans.logical.LocalLimit", (number(5), IMAGES), None, 21, 40)
    with pytest.raises(QueryRefused, match=r"TABLESAMPLE \(n ROWS\) takes arbitrary rows"):
        require_ordered_limit(rows, sql, KEY, False)


UNBOUNDED = (expression("UnboundedPreceding$"), expression("UnboundedFollowing$"))
CURRENT = expression("CurrentRow$")


@pytest.mark.parametrize(
    ("function", "spec", "passes"),
    [
        (call("rank"), window(column("mean")), True),
        (call("sum", column("mean")), window(column("mean")), True),
        (call("sum", column("mean")), window(frame=rows_between(*UNBOUNDED)), True),
        (
            call("sum", column("mean")),
            window(column("mean"), frame=rows_between(number(1), CURRENT)),
            False,
        ),
        (
            call("sum", column("mean")),
            window(column("image_id"), frame=rows_between(number(1), CURRENT)),
            True,
        ),
        (call("row_number"), window(column("mean")), False),
        (call("row_number"), window(), False),
        (call("row_number"), None, False),
        (call("row_number"), window(column("mean"), column("image_id")), True),
        (expression("Last", column("uri")), window(column("mean")), False),
        (expression("Coalesce", call("lag", column("uri"))), window(column("mean")), False),
    ],
)
def test_a_window_needs_a_total_order_where_ties_matter(
    function: Node, spec: Node | None, passes: bool
) -> None:
    if passes:
        require_ordered_window(function, spec, "", KEY)
        return
    with pytest.raises(QueryRefused, match=r"\(\) over \(…\): rows that tie may come in any order"):
        require_ordered_window(function, spec, "", KEY)


@pytest.mark.parametrize(
    ("written", "kind", "passes"),
    [
        ("timestamp 'now'", "TimestampType$", False),
        ("date 'Yesterday'", "DateType$", False),
        ("timestamp_ntz ' 9:30'", "TimestampNTZType$", False),
        ("timestamp 'T12:30'", "TimestampType$", False),
        ("timestamp '2026-01-31 12:30:00'", "TimestampType$", True),
        ("date '2026-01-31'", "DateType$", True),
        ("'now'", "StringType$", True),
    ],
)
def test_times_without_a_day_are_refused(written: str, kind: str, passes: bool) -> None:
    sql = f"select {written} a"
    node = literal(value("Long", "1"), kind, 7, 6 + len(written))
    if passes:
        refuse_special_time(node, sql)
        return
    with pytest.raises(QueryRefused, match=r"is another time when the query runs again.*:until"):
        refuse_special_time(node, sql)


def test_a_literal_without_a_position_in_the_query_passes() -> None:
    refuse_special_time(literal(value("Long", "1"), "TimestampType$"), "timestamp 'now'")

"""Whether an order is total, rows are groups, and ties matter: on nodes built by hand."""

from __future__ import annotations

import pytest

from labelmill.errors import QueryRefused
from labelmill.sql.guard import row_keys
from labelmill.sql.guard.key_column import KeyColumn
from labelmill.sql.guard.nondeterministic import ADVICE
from labelmill.sql.guard.repeatability import (
    refuse_special_time,
    require_deterministic,
    require_ordered_limit,
    require_ordered_window,
)
from labelmill.sql.plan.node import Node
from tests.helpers.plan_nodes import (
    CATALYST,
    NONE,
    alias,
    call,
    column,
    expression,
    flag,
    group,
    items,
    literal,
    named,
    number,
    order,
    parameter,
    plan,
    relation,
    rows_between,
    select,
    sort,
    text,
    unresolved,
    value,
    values,
    window,
    with_,
)

IMAGES = relation("images")
STAR = unresolved("Star", NONE)
KEY = (KeyColumn.of("image_id"),)


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


def keys_of(plan_: Node) -> list[str]:
    return [key.shown for key in row_keys.keys_of(plan_, {})]


def equal(one: Node, other: Node) -> Node:
    return expression("EqualTo", one, other)


def where(below: Node, *conditions: Node) -> Node:
    whole = conditions[0]
    for more in conditions[1:]:
        whole = expression("And", whole, more)
    return plan("Filter", whole, below)


NAME = literal(text("c"), "StringType$")


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        (IMAGES, ["collection", "image_id"]),
        (select(IMAGES), ["collection", "image_id"]),
        (where(IMAGES, equal(column("collection"), NAME)), ["image_id"]),
        (where(IMAGES, equal(NAME, column("images.collection"))), ["image_id"]),
        (where(IMAGES, equal(column("collection"), parameter("c"))), ["image_id"]),
        # '1' and '01' both equal the number.
        (where(IMAGES, equal(column("collection"), number(1))), ["collection", "image_id"]),
        (where(IMAGES, equal(column("mean"), number(1))), ["collection", "image_id"]),
        (where(IMAGES, expression("Or", equal(column("collection"), NAME), column("x"))), ["collection", "image_id"]),
        (
            where(relation("labels"), equal(column("version"), number(1)), equal(column("model"), NAME)),
            ["collection", "image_id"],
        ),
        (group(IMAGES, column("split")), ["split"]),
        (plan("Distinct", select(IMAGES, column("uri"), column("split"))), ["uri", "split"]),
        (values((text("a"),)), []),
        (plan("OneRowRelation"), []),
        (named(group(IMAGES, column("split")), "g"), ["split"]),
        (with_(relation("g"), g=group(IMAGES, column("split"))), ["split"]),
        (plan("Union", items(select(IMAGES, column("uri")), IMAGES)), ["uri"]),
        (plan("Union", items(select(IMAGES, STAR), IMAGES)), ["every column, as in `order by all`"]),
        (plan("Distinct", plan("Union", items(IMAGES, IMAGES))), ["every column, as in `order by all`"]),
        (select(IMAGES, alias(call("explode", column("tags")), "tag")), ["collection", "image_id", "the generated column"]),
        (
            plan("Unpivot", NONE, NONE, NONE, text("measure"), items(text("v")), IMAGES),
            ["collection", "image_id", "the column that names the others"],
        ),
        (plan("Distinct", select(IMAGES, STAR)), ["collection", "image_id"]),
    ],
)  # fmt: skip
def test_what_tells_the_rows_of_a_query_apart(query: Node, keys: list[str]) -> None:
    assert keys_of(query) == keys


@pytest.mark.parametrize(
    ("by", "missing"),
    [
        ([column("collection"), column("image_id")], []),
        ([column("mean"), column("i.IMAGE_ID"), column("COLLECTION")], []),
        ([call("xxhash64", column("image_id"), column("collection"))], []),
        ([call("xxhash64", call("concat", NAME, column("image_id"))), column("collection")], []),
        ([expression("UnaryMinus", column("image_id"), flag(False)), column("collection")], []),
        # Rows tie although the order names the columns.
        ([call("length", column("image_id")), column("collection")], ["image_id"]),
        ([call("hash", column("image_id")), column("collection")], ["image_id"]),
        ([call("concat", column("image_id"), column("collection"))], ["collection", "image_id"]),
        ([column("image_id")], ["collection"]),
        ([column("image_id.x"), column("collection")], ["image_id"]),
        ([column("mean")], ["collection", "image_id"]),
        ([column("all")], []),
        ([], ["collection", "image_id"]),
    ],
)
def test_an_order_must_name_every_one_of_them(by: list[Node], missing: list[str]) -> None:
    keys = row_keys.keys_of(named(IMAGES, "i"), {})
    assert row_keys.missing_in_order(keys, [order(*by)]) == missing


def test_an_alias_hides_the_key_of_its_name() -> None:
    query = select(IMAGES, alias(column("mean"), "image_id"), column("collection"))
    by = order(column("image_id"), column("collection"))
    assert row_keys.missing_in_order(row_keys.keys_of(query, {}), [by]) == ["image_id"]
    hashed = select(
        IMAGES, alias(call("md5", column("image_id")), "image_id"), column("collection")
    )
    assert row_keys.missing_in_order(row_keys.keys_of(hashed, {}), [by]) == []
    below = order(column("images.image_id"), column("collection"))
    assert row_keys.missing_in_order(row_keys.keys_of(query, {}), [below]) == []


def test_a_very_deep_query_is_followed() -> None:
    deep = IMAGES
    for _ in range(5000):
        deep = named(deep, "x")
    assert keys_of(deep) == ["collection", "image_id"]


def test_a_limit_needs_a_total_order() -> None:
    def check(below: Node, name: str = "LocalLimit") -> None:
        require_ordered_limit(plan(name, number(5), below), "", KEY)

    check(sort(IMAGES, column("image_id")))
    check(sort(IMAGES, column("all")))
    check(plan("Offset", number(2), sort(IMAGES, column("image_id"))))
    for below in (IMAGES, sort(IMAGES, column("image_id"), whole=False)):
        with pytest.raises(QueryRefused, match="LIMIT without ORDER BY takes arbitrary rows"):
            check(below)
        with pytest.raises(QueryRefused, match="OFFSET without ORDER BY"):
            check(below, name="Offset")
    with pytest.raises(QueryRefused, match=r"ORDER BY … LIMIT: rows that tie.*apart: image_id "):
        check(sort(IMAGES, column("mean")))


def test_a_message_quotes_the_part_of_the_query() -> None:
    sql = "select uri from images order   by mean limit 5"
    start = sql.index("order")
    by = sort(IMAGES, column("mean"))
    placed = Node(by.kind, by.children, None, start, sql.index(" limit") - 1)
    with pytest.raises(QueryRefused, match=r"LIMIT \(order by mean\): rows that tie"):
        require_ordered_limit(plan("LocalLimit", number(5), placed), sql, KEY)


def test_a_sample_of_a_number_of_rows_is_refused_as_one() -> None:
    sql = "select * from images TableSample (5 rows)"
    rows = Node(f"{CATALYST}plans.logical.LocalLimit", (number(5), IMAGES), None, 21, 40)
    with pytest.raises(QueryRefused, match=r"TABLESAMPLE \(n ROWS\) takes arbitrary rows"):
        require_ordered_limit(rows, sql, KEY)


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

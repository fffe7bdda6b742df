"""The guard's walk over plans built by hand: what is listed passes, anything else is named and refused."""

from __future__ import annotations

import pytest

from labelmill.errors import InputError, QueryRefused, UnknownName
from labelmill.sql.guard.walk import GuardWalk
from labelmill.sql.plan.node import Node
from labelmill.sql.sampling import Sample
from tests.helpers.plan_nodes import (
    CATALYST,
    NONE,
    alias,
    binary,
    call,
    column,
    expression,
    group,
    items,
    limit,
    literal,
    named,
    over,
    parameter,
    plan,
    relation,
    sample,
    select,
    sort,
    text,
    unresolved,
    value,
    values,
    window,
    with_,
)

VIEWS = {"images", "truth", "labels"}
IMAGES = relation("images")


def walk(query: Node, repeatable: bool = False, sql: str = "") -> GuardWalk:
    found = GuardWalk(sql, VIEWS, repeatable)
    found.over(query)
    return found


def refusal(query: Node, repeatable: bool = False) -> str:
    with pytest.raises(QueryRefused) as refused:
        walk(query, repeatable)
    return str(refused.value)


def test_what_a_query_needs_is_collected() -> None:
    condition = expression("GreaterThan", column("mean"), parameter("low"))
    other = expression("LessThan", parameter("high"), parameter("low"))
    found = walk(
        plan(
            "Join", plan("Filter", condition, relation("Images")), select(relation("truth"), other)
        )
    )
    assert found.parameters == ["low", "high"]
    assert found.read == {"images", "truth"}
    assert found.samples == []


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (plan("InsertIntoDir", IMAGES), "InsertIntoDir"),
        (plan("Command"), "Command"),
        (select(IMAGES, expression("ScriptTransformation")), "ScriptTransformation"),
        # Listed as a plan but not as an expression, and the other way round.
        (select(IMAGES, expression("Project")), "Project"),
        (plan("Not", IMAGES), "Not"),
        # Values carry no plan: one with children is not a value.
        (Node("java.lang.String", (IMAGES,)), "String"),
        (Node("org.apache.spark.sql.execution.command.SetCommand"), "SetCommand"),
        (Node("scala.Function1"), "Function1"),
    ],
)
def test_a_class_that_is_not_listed_is_refused_by_name(node: Node, named: str) -> None:
    message = refusal(node)
    assert f"contains {named}, which is not allowed" in message
    assert "views images, labels, truth" in message


def test_a_refused_node_is_found_at_any_depth() -> None:
    query = IMAGES
    for _ in range(2_000):
        query = plan("Filter", expression("Not", column("split")), query)
    walk(query)
    with pytest.raises(QueryRefused, match="DropTable"):
        walk(plan("Union", items(query, select(plan("DropTable")))))
    nested = select(
        IMAGES, expression("ScalarSubquery", select(IMAGES, call("reflect", text("a"))))
    )
    assert "the function reflect()" in refusal(nested)


def test_positional_parameters_are_refused_with_advice() -> None:
    query = select(IMAGES, Node(f"{CATALYST}analysis.PosParameter"))
    assert "parameters have names, for example `:since`" in refusal(query)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (relation("text./etc/passwd"), "text./etc/passwd is not one of the catalogue's views"),
        (relation("spark_catalog.default.images"), "databases cannot be read"),
        (
            unresolved(
                "Relation",
                items(text("images")),
                Node("x", (text("a"),)),
                value("Boolean", "false"),
            ),
            "images with options or as a stream",
        ),
        (
            unresolved("Relation", items(text("images")), Node("x"), value("Boolean", "true")),
            "images with options or as a stream",
        ),
    ],
)
def test_only_views_are_read(node: Node, message: str) -> None:
    assert message in refusal(select(node))


def test_an_unknown_view_suggests_the_closest() -> None:
    with pytest.raises(UnknownName, match=r"unknown view 'Image'.*Did you mean 'images'"):
        walk(select(relation("Image")))


def test_a_name_of_with_is_known_to_later_queries_and_not_to_its_own() -> None:
    later = with_(select(relation("B")), a=select(IMAGES), b=select(relation("a")))
    assert walk(later).read == {"images"}
    for own in (
        with_(select(IMAGES), a=select(relation("a"))),
        with_(select(IMAGES), a=select(relation("b")), b=select(IMAGES)),
        plan("Union", items(with_(select(IMAGES), a=select(IMAGES)), select(relation("a")))),
    ):
        with pytest.raises(UnknownName, match="unknown view"):
            walk(own)


def test_a_name_of_with_hides_a_view() -> None:
    assert walk(with_(select(relation("truth")), truth=select(IMAGES))).read == {"images"}


@pytest.mark.parametrize(
    "name", ["reflect", "java_method", "input_file_name", "version", "other.sum"]
)
def test_functions_that_are_not_listed_are_refused(name: str) -> None:
    assert f"the function {name}() is not allowed" in refusal(select(IMAGES, call(name)))


def test_generators_table_functions_and_hints_have_lists_of_their_own() -> None:
    def generate(*name: Node) -> Node:
        identifier = Node(f"{CATALYST}FunctionIdentifier", name)
        return plan("Generate", unresolved("Generator", identifier, items(column("a"))), IMAGES)

    walk(generate(text("explode"), NONE, NONE))
    assert "function java_method()" in refusal(generate(text("java_method"), NONE, NONE))
    elsewhere = Node("scala.Some", (text("db"),))
    assert "function db.explode()" in refusal(generate(text("explode"), elsewhere, NONE))
    walk(select(unresolved("TableValuedFunction", items(text("Range")), items())))
    table = select(unresolved("TableValuedFunction", items(text("read_files")), items()))
    assert "table function read_files()" in refusal(table)
    walk(unresolved("Hint", text("BroadCast"), items(), IMAGES))
    assert "the hint 'skew' is not" in refusal(unresolved("Hint", text("skew"), items(), IMAGES))


def test_a_bare_name_that_reads_the_environment_is_refused() -> None:
    assert "it reads who runs the query" in refusal(select(IMAGES, column("Current_User")))
    walk(select(IMAGES, column("images.user"), column("user.images")))


def test_constant_bytes_used_as_text_are_refused_unless_worse_is_found() -> None:
    reverse = call(
        "reverse", expression("Cast", binary(), Node("org.apache.spark.sql.types.StringType$"))
    )
    with pytest.raises(InputError, match=r"reverse\(…\) uses binary data as text") as refused:
        walk(select(IMAGES, reverse))
    assert not isinstance(refused.value, QueryRefused)
    assert "reflect" in refusal(select(IMAGES, reverse, call("reflect")))
    walk(select(IMAGES, call("reverse", column("pixels"))))
    walk(select(IMAGES, call("reverse", call("hex", binary()))))
    walk(select(values((binary(), text("a")))))
    with pytest.raises(InputError, match=r"VALUES \(…\) uses binary data as text"):
        walk(select(values((text("a"),), (call("upper", call("unhex", text("f7"))),))))


ROW_NUMBER = call("row_number")
COLLECTED = call("collect_list", column("uri"))


@pytest.mark.parametrize(
    "query",
    [
        select(IMAGES, call("rand")),
        select(IMAGES, column("Current_Date")),
        select(IMAGES, expression("CurrentTimestamp")),
        select(IMAGES, expression("First", column("uri"))),
        select(IMAGES, COLLECTED),
        select(IMAGES, call("concat", COLLECTED)),
        # What blinds an outer function to order does not reach beyond the next call.
        select(IMAGES, call("sort_array", call("concat", COLLECTED))),
        limit(select(IMAGES)),
        limit(sort(select(IMAGES), column("mean"))),
        limit(sort(select(IMAGES), column("image_id"), whole=False)),
        plan("Offset", text("2"), select(IMAGES)),
        select(IMAGES, over(ROW_NUMBER, window(column("mean")))),
        # A window's order covers its function, not the functions within.
        select(IMAGES, over(call("first", COLLECTED), window(column("image_id")))),
        select(IMAGES, over(ROW_NUMBER, expression("WindowSpecReference", text("w")))),
        select(sample(select(IMAGES))),
        with_(select(sample(relation("t"))), t=select(IMAGES)),
    ],
)
def test_what_may_give_another_answer_is_refused_for_training_sets_only(query: Node) -> None:
    assert "training set cannot be made from it" in refusal(query, repeatable=True)
    walk(query)


@pytest.mark.parametrize(
    "query",
    [
        select(IMAGES, call("sort_array", COLLECTED)),
        select(IMAGES, alias(COLLECTED, "classes")),
        select(IMAGES, column("images.current_date"), column("current_date.images")),
        limit(sort(select(IMAGES), column("mean"), column("collection"), column("image_id"))),
        limit(
            sort(
                select(IMAGES, alias(column("image_id"), "id")), column("ID"), column("collection")
            )
        ),
        limit(sort(select(IMAGES), column("all"))),
        limit(
            plan(
                "Offset", text("2"), sort(select(IMAGES), column("image_id"), column("collection"))
            )
        ),
        limit(sort(group(IMAGES, column("split")), column("split"))),
        with_(
            limit(sort(select(relation("g")), column("split"))), g=group(IMAGES, column("split"))
        ),
        select(IMAGES, over(ROW_NUMBER, window(column("image_id"), column("collection")))),
        select(
            IMAGES,
            over(
                call("first", column("uri")),
                window(call("xxhash64", column("image_id"), column("collection"))),
            ),
        ),
        group(IMAGES, column("split"), over(ROW_NUMBER, window(column("split")))),
        select(IMAGES, over(call("rank"), window(column("mean")))),
    ],
)
def test_what_always_gives_the_same_answer_passes(query: Node) -> None:
    walk(query, repeatable=True)


def test_a_named_window_is_looked_up_in_its_query() -> None:
    def query(by: str) -> Node:
        pair = Node("scala.Tuple2", (text("w"), window(column(by), column("collection"))))
        windows = Node("scala.collection.immutable.Map$Map1", (pair,))
        rows = over(ROW_NUMBER, expression("WindowSpecReference", text("w")))
        return plan("WithWindowDefinition", windows, select(IMAGES, rows))

    walk(query("image_id"), repeatable=True)
    assert "rows that tie" in refusal(query("mean"), repeatable=True)


def test_samples_of_views_are_collected_with_their_spans() -> None:
    images = relation("IMAGES", 14, 19)
    query = select(sample(named(images, "i"), 0.25, 3, 21, 59))
    assert walk(query, repeatable=True).samples == [
        Sample("images", 0.25, 3, (14, 19), (21, 59), named=True)
    ]
    assert walk(select(sample(images)), repeatable=True).samples[0].named is False


def test_times_of_the_day_are_refused_where_the_query_is_read() -> None:
    sql = "select uri from images where ingested_at < timestamp 'now'"
    start = sql.index("timestamp")

    def query(kind: str) -> Node:
        now = literal(value("Long", "1"), kind, start, len(sql) - 1)
        return plan("Filter", expression("LessThan", column("ingested_at"), now), IMAGES)

    with pytest.raises(QueryRefused, match="timestamp 'now' is another time when"):
        walk(query("TimestampType$"), repeatable=True, sql=sql)
    walk(query("StringType$"), repeatable=True, sql=sql)
    walk(query("TimestampType$"), sql=sql)

"""Binary data is never used as text: Spark's text functions trust it to be UTF-8, and can end the JVM."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from labelmill.errors import InputError, QueryRefused
from labelmill.sql.guard.binary_as_text import makes_text
from tests.spark.sql.guard.corpus.desk import Desk, open_desk


@pytest.fixture(scope="module")
def desk(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return open_desk(spark, tmp_path_factory.mktemp("canary"))


TAKEN = [
    "select reverse(pixels) from images",
    "select cast(pixels as string) from images",
    "select try_cast(pixels as varchar(9)) from images",
    "select string(pixels), binary(uri) from images",
    "select concat(pixels, uri) from images",
    "select uri || pixels from images",
    "select right(pixels, 2) from images",
    "select pixels like 'a%' from images",
    "select array_join(array(pixels), ',') from images",
    "select cast(array(pixels) as array<string>) from images",
    "select cast(named_struct('a', array(pixels)) as struct<a: array<string>>) from images",
    "select cast(struct(pixels) as string) from images",
    "select cast(map(1, pixels) as string) from images",
    "select transform(array(pixels), p -> reverse(p)) from images",
    "select part from images lateral view explode(array(reverse(pixels))) v as part",
    "select i.uri, l.t from images i, lateral (select lower(i.pixels) t) l",
    "select uri from images where exists (select 1 from images i where trim(i.pixels) = 'a')",
    "with t as (select unbase64(uri) as bytes from images) select upper(bytes) from t",
    "select max(reverse(pixels)) over (partition by collection) from images",
    "select 1 from images order by trim(pixels)",
    "select uri from images group by uri having max(cast(pixels as string)) > 'a'",
    "select reverse(cast(unhex(image_id) as string)) from images",
    "select elt(1, uri, encode(uri, 'UTF-16')) from images",
    "select map(uri, 1)[pixels] from images",
]
"""Written and implicit casts, where a plan can hold them."""

CONSTANT = [
    "values (cast(X'f7' as string))",
    "select reverse(s) from values (cast(X'f7' as string)) as t (s)",
    "select reverse(s) from values (upper(to_binary('f7', 'hex'))) as t (s)",
    "values (unhex(reverse(cast(unhex('f7') as string))))",
    "select from_json(uri, reverse(cast(X'f7' as string))) from images",
    "select from_json(uri, reverse(concat('a', cast(unbase64('9w==') as string)))) from images",
    "select from_json(uri, reverse(decode(1, 1, encode('a', 'UTF-16')))) from images",
    "select from_json(uri, reverse(from_json('{\"a\": \"9w==\"}', 'a binary').a || '')) from images",
    "select 1 from images limit length(reverse(binary('a')))",
]
"""Spark computes these while it analyses, before anybody sees a cast: the guard stops them."""


@pytest.mark.parametrize("sql", TAKEN)
def test_bytes_that_become_text_are_refused_before_anything_runs(desk: Desk, sql: str) -> None:
    with pytest.raises(InputError, match=r"uses binary data as text; expected hex\(…\), base64"):
        desk.ask(sql)


@pytest.mark.parametrize("sql", CONSTANT)
def test_constant_bytes_that_become_text_are_refused_before_spark_computes_them(
    desk: Desk, sql: str
) -> None:
    with pytest.raises(InputError, match="uses binary data as text"):
        desk.check(sql)


def test_the_expression_is_named_and_an_attack_is_reported_first(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"images\.pixels uses binary data"):
        desk.ask("select reverse(pixels) from images")
    with pytest.raises(QueryRefused, match="reflect"):
        desk.check("select reverse(X'f7'), reflect('a', 'b')")


def test_text_of_bytes_is_text_whatever_they_are(desk: Desk) -> None:
    sql = (
        "select reverse(decode(unhex('f7ff41'), 'UTF-8')), reverse(hex(unhex('f7'))), "
        "reverse(base64(unhex('f7'))), reverse(from_json(left(uri, 0) || '[1, 2]', 'array<int>'))[0] "
        "from images limit 1"
    )
    assert list(desk.ask(sql).collect()[0]) == ["A\ufffd\ufffd", "7F", "==w9", 2]


def test_types_are_looked_at_to_their_depth() -> None:
    def array(kind: object) -> dict[str, object]:
        return {"type": "array", "elementType": kind}

    def struct(*kinds: object) -> dict[str, object]:
        return {"type": "struct", "fields": [{"type": kind} for kind in kinds]}

    assert makes_text("binary", "string")
    assert makes_text(struct("long", array("binary")), "varchar(3)")
    assert makes_text(struct("long", array("binary")), struct("string", array("string")))
    assert not makes_text(struct("long", "binary"), struct("string", "binary"))
    assert not makes_text("string", "binary")
    assert not makes_text(array("binary"), array("binary"))

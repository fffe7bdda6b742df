"""Queries over the real catalogue: parameters, samples, closest matches, and how far back Kudu reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from labelmill.errors import InputError, UnknownName
from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.sql.snapshot import settled_snapshot
from tests.helpers.image_folders import write_image_folder

Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def ask(spark: SparkSession, settings: Settings, tmp_path: Path) -> Ask:
    """Answers of a catalogue with 40 images, in classes a and b, as collection ``c``."""
    ingest(spark, settings, str(write_image_folder(tmp_path / "heap", images=40)), "c")

    def rows(sql: str, **how: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in catalogue.query(spark, settings, sql, **how).collect()]

    return rows


def test_a_parameter_that_is_compared_with_text_is_text(
    spark: SparkSession, settings: Settings, ask: Ask, tmp_path: Path
) -> None:
    folder = write_image_folder(tmp_path / "numbered", images=40, classes=["1", "01", "1.0", "7"])
    ingest(spark, settings, str(folder), "7")
    count = "select count(*) from truth where class = :class"
    for text in ("1", "01", "1.0", "'1'"):
        assert ask(count, parameters={"class": text}) == [(10,)], text
    assert ask(count, parameters={"class": "1.00"}) == [(0,)]
    by_name = "select count(*) from images where collection = :collection and width < :width"
    assert ask(by_name, parameters={"collection": "7", "width": "99"}) == [(40,)]
    assert ask(by_name, parameters={"collection": "07", "width": "99"}) == [(0,)]
    assert ask(by_name, parameters={"collection": "07.0", "width": "99"}) == [(0,)]
    # The same slice with its number in quotes: nothing is cast, so Kudu looks up the key.
    plan = catalogue.query(spark, settings, by_name, parameters={"collection": "7", "width": "99"})
    assert "cast(collection" not in plan._jdf.queryExecution().toString().lower()
    either = "select count(*) from truth where class = :class or class < :class"
    assert ask(either, parameters={"class": "1"}) == [(20,)]
    listed = "select count(*) from truth where array_contains(array('x', class), :class)"
    assert ask(listed, parameters={"class": "01"}) == [(10,)]
    assert ask(listed, parameters={"class": "1"}) == [(10,)]
    used_twice = "select count(*) from truth where class = :n group by collection limit :n"
    with pytest.raises(
        InputError, match=r"parameter n = 1 is compared with text .*cast\(:n as str"
    ):
        ask(used_twice, parameters={"n": "1"})
    assert ask(used_twice.replace("= :n", "= cast(:n as string)"), parameters={"n": "1"}) == [(10,)]
    # What the query's author writes as a number stays one.
    assert ask(
        "select count(*) from truth where cast(class as double) = :n", parameters={"n": "1"}
    ) == [(30,)]


def test_parameters_are_values_and_never_sql(ask: Ask) -> None:
    count = "select count(*) from truth where class = :class"
    assert ask(count, parameters={"class": "a"}) == [(20,)]
    for text in ("a' or '1'='1", "a or true", "class", "'a' or class = 'b'", "(select 'a')"):
        assert ask(count, parameters={"class": text}) == [(0,)], text
    assert ask(
        "select count(*), :x from images where ingested_at < :until and width < :w",
        parameters={"x": "'; drop view images", "until": "timestamp '2999-01-01'", "w": "1e3"},
    ) == [(40, "'; drop view images")]
    assert ask("select image_id from images order by image_id limit :n", parameters={"n": "3"})
    with pytest.raises(InputError, match=r"parameters are :class; .*--param class=VALUE"):
        ask(count)
    with pytest.raises(UnknownName, match=r"'clas'.*Did you mean 'class'"):
        ask(count, parameters={"clas": "a"})


def test_a_sample_is_the_same_at_a_snapshot_while_rows_arrive(
    ask: Ask, spark: SparkSession, settings: Settings, tmp_path: Path
) -> None:
    at = settled_snapshot(settings)
    sql = "select image_id from images tablesample (30 percent) repeatable (7)"
    once = sorted(ask(sql, snapshot_ms=at, repeatable=True))
    assert 0 < len(once) < 40
    ingest(spark, settings, str(write_image_folder(tmp_path / "more", images=30, seed=9)), "c")
    assert sorted(ask(sql, snapshot_ms=at, repeatable=True)) == once
    cut = sql.replace("select", "select /*+ repartition(5) */")
    assert sorted(ask(cut, snapshot_ms=at, repeatable=True)) == once
    assert set(once) < set(ask(sql, repeatable=True)), (
        "a row is drawn or not, whatever other rows exist"
    )
    joined = (
        "select t.image_id from truth tablesample (50 percent) t join labels l using (image_id)"
    )
    assert ask(joined, repeatable=True) == []


def test_unknown_names_suggest_the_closest_match(ask: Ask) -> None:
    for sql, expected in [
        ("select imageid from images", "unknown column 'imageid'.*Did you mean 'image_id'"),
        ("select i.wdth from images i", "unknown column 'i.wdth'.*Did you mean 'i.width'"),
        ("select * from images order by ingestedat", "Did you mean 'ingested_at'"),
        ("select * from images join truth using (imageid)", "Did you mean 'image_id'"),
        ("select * from image", "unknown view 'image'.*Did you mean 'images'"),
    ]:
        with pytest.raises(UnknownName, match=expected):
            ask(sql)
    with pytest.raises(InputError, match="does not fit the catalogue"):
        ask("select sum(array(1)) from images")


def test_a_snapshot_older_than_kudus_history_is_refused(ask: Ask) -> None:
    month = int(time.time() * 1000) - 30 * 86_400_000
    for at in (1, month):
        with pytest.raises(InputError, match=r"older than Kudu .* keeps history.*7 days"):
            ask("select count(*) from truth", snapshot_ms=at)
    for at in (0, -5):
        with pytest.raises(InputError, match="expected milliseconds since 1970"):
            ask("select count(*) from images", snapshot_ms=at)
    hour = int(time.time() * 1000) - 3_600_000
    assert ask("select count(*) from images", snapshot_ms=hour) == [(0,)]

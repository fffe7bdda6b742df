"""Queries of training sets give the same answer each time: others are refused, samples repeat."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from labelmill.errors import QueryRefused
from labelmill.sql.catalogue import NAMES
from labelmill.sql.guard.check import check_query
from tests.spark.sql.guard.corpus import honest
from tests.spark.sql.guard.corpus.desk import Desk, open_desk

REFUSED = [
    ("select rand(), * from images", "tablesample"),
    ("select * from images where rand(7) < 0.5", "hash of their id"),
    ("select * from images order by uuid()", "hash of their id"),
    ("select *, now() from images", "as a parameter"),
    ("select * from images where ingested_at > current_timestamp - interval 1 day", ":until"),
    ("select *, current_date from images", ":until"),
    ("select *, localtimestamp from images", ":until"),
    ("select * from images where ingested_at < timestamp 'now'", "timestamp 'now'"),
    ("select * from images where ingested_at < date 'Yesterday'", "another time"),
    ("select * from images where ingested_at < timestamp '12:30'", "another time"),
    ("select collection, first(uri) from images group by collection", "first_value"),
    ("select collection, last(uri) ignore nulls from images group by collection", "first_value"),
    ("select collection, any_value(uri) from images group by collection", "first_value"),
    ("select collection, first_value(uri) from images group by collection", "order by"),
    ("select max_by(class, probability) from labels", r"max\(struct"),
    ("select mode(class) from labels", "may return something else"),
    ("select approx_percentile(mean, 0.5) from images", "exact"),
    ("select collect_list(class) from truth", r"sort_array\(collect_list"),
    ("select array_join(collect_set(class), ',') classes from truth", "sort the collected values"),
    ("select * from images limit 5", "order by collection, image_id"),
    ("select * from (select * from images limit 5)", "order by collection, image_id"),
    ("select * from images offset 5", "OFFSET without ORDER BY"),
    ("select * from images sort by image_id limit 5", "LIMIT without ORDER BY"),
    ("select * from images order by mean limit 5", "apart: collection, image_id"),
    # Rows tie although the order names the column.
    (
        "select * from images where collection = 'c' order by length(image_id) limit 5",
        "apart: image_id",
    ),
    (
        "select *, row_number() over (partition by upper(class) order by version) from labels where collection = 'c' and model = 'm'",
        "apart: image_id",
    ),
    (
        "select mean as image_id from images where collection = 'c' order by image_id limit 5",
        "apart: image_id",
    ),
    # One column of a key is no key, whichever table it belongs to.
    ("select * from labels order by version limit 5", "apart: collection, image_id, model"),
    ("select * from images order by uri limit 5", "apart: collection, image_id"),
    ("select * from images order by image_id limit 5", "apart: collection "),
    ("select * from images where collection <> 'c' order by image_id limit 5", "apart: collection"),
    (
        "select * from images where collection = 'c' or mean > 0 order by image_id limit 5",
        "collection",
    ),
    (
        "select *, row_number() over (partition by class order by version) from labels",
        "apart: collection, image_id, model",
    ),
    (
        "select *, row_number() over (partition by split order by image_id) from images",
        "apart: collection",
    ),
    (
        "select i.uri from images i join labels l using (collection, image_id) order by collection, image_id limit 5",
        "apart: model, version",
    ),
    (
        "select i.uri from images i join labels l on i.image_id = l.image_id order by i.collection, i.image_id, l.model, l.version limit 5",
        "apart: collection",
    ),
    (
        "select * from (select mean from images) order by mean limit 5",
        "apart: collection, image_id",
    ),
    (
        "with t as (select mean, image_id from images where collection = 'c') select * from t order by mean limit 5",
        "apart: image_id",
    ),
    (
        "select version from labels where model = 7 and collection = 'c' order by image_id, version limit 5",
        "apart: model",
    ),
    ("select class, count(*) n from truth group by class order by n desc limit 3", "apart: class"),
    ("select upper(class) from truth group by upper(class) order by count(*) limit 3", "apart:"),
    ("select distinct class, collection from truth order by class limit 3", "apart: collection"),
    (
        "select image_id from truth union all select image_id from labels order by 1 + 1 limit 3",
        "apart: image_id",
    ),
    (
        "select * from truth union all select collection, image_id, class, source from annotations order by collection, image_id limit 3",
        "apart: every column",
    ),
    (
        "select image_id, part from images lateral view explode(split(uri, '/')) p as part where collection = 'c' order by image_id limit 3",
        "generated",
    ),
    (
        "select image_id, explode(split(uri, '/')) as part from images where collection = 'c' order by image_id limit 3",
        "generated",
    ),
    (
        "select class, posexplode(array(1, 2)) from truth group by class order by class limit 3",
        "generated",
    ),
    (
        "select * from images unpivot (v for measure in (mean, std)) where collection = 'c' order by image_id limit 3",
        "the column that names the others",
    ),
    (
        "with c as (select class, count(*) n from truth group by class) select * from truth where class in (select class from c order by n limit 2)",
        "apart: class",
    ),
    ("select *, row_number() over (partition by split order by mean) from images", "rows that tie"),
    ("select *, ntile(4) over (order by mean) from images", "ntile"),
    ("select *, lag(uri) over w from images window w as (order by mean)", "rows that tie"),
    ("select *, first_value(uri) over (order by mean) from images", "rows that tie"),
    (
        "select *, sum(mean) over (order by mean rows between 1 preceding and current row) from images",
        "rows that tie",
    ),
    ("select * from images tablesample (5 rows)", "n PERCENT"),
    ("select * from (select * from images) tablesample (5 percent)", "sample a view"),
    ("with t as (select * from images) select * from t tablesample (5 percent)", "sample a view"),
    ("with images as (select 1) select * from images tablesample (5 percent)", "sample a view"),
    ("select * from (images join labels) tablesample (5 percent)", "sample a view"),
]

PASS = [
    "select * from images",
    "select * from images order by uri, collection, image_id limit 5 offset 2",
    "select * from images where collection = 'c' order by xxhash64(image_id, 7) limit 5",
    "select * from images where :c = collection and mean > 0 order by mean, image_id limit 5",
    "select image_id as id, collection c from images order by id, c limit 5",
    "select id from (select image_id as id, collection from images) x where x.collection = 'c' order by x.id limit 5",
    "select * from images order by all limit 5",
    "select * from images order by (collection, image_id) limit 5",
    "select * from images where collection = 'c' order by md5(image_id || :salt) limit 5",
    "select *, md5(image_id) as drawn from images where collection = 'c' order by drawn limit 5",
    "select * from labels where collection = 'c' and model = 'm' order by -version, image_id limit 5",
    "select * from labels where collection = 'c' and model = 'm' and version = 3 order by probability, image_id limit 5",
    "select l.* from labels l join aliases a on l.model = a.model and l.version = a.version and a.alias = 'production' where l.model = 'm' and l.collection = 'c' order by l.image_id limit 5",
    "select i.*, t.class from images i join truth t using (collection, image_id) order by collection, image_id limit 5",
    "select i.*, t.class from images i join truth t on i.collection = t.collection and i.image_id = t.image_id where i.collection = 'c' order by t.image_id limit 3",
    "select i.*, t.class from images i left join truth t on i.collection = t.collection and i.image_id = t.image_id where i.collection = 'c' order by i.image_id limit 3",
    "select e.model, m.family from evaluations e join models m on m.model = e.model and m.version = e.version order by e.model, e.version, e.slice_digest limit 3",
    "select i.uri from images i left semi join labels l on i.image_id = l.image_id where i.collection = 'c' order by i.image_id limit 3",
    "with t as (select mean, image_id from images where collection = 'c') select * from t order by mean, t.image_id limit 5",
    "select class, count(*) n from truth group by class order by n desc, class limit 3",
    "select class as k, count(*) n from truth group by 1 order by n desc, k limit 3",
    "select upper(class) u, count(*) n from truth group by upper(class) order by n, u limit 3",
    "select upper(class), count(*) n from truth group by upper(class) order by n, upper(class) limit 3",
    "select distinct class from truth order by class limit 3",
    "select image_id from truth union select image_id from labels order by image_id limit 3",
    "select * from truth union all select collection, image_id, class, source from annotations order by all limit 3",
    "select part from images lateral view explode(split(uri, '/')) p as part where collection = 'c' order by image_id, part limit 3",
    "select image_id, explode(split(uri, '/')) as part from images where collection = 'c' order by part, image_id limit 3",
    "select class, explode(array(1, 2)) from truth group by class order by class, col limit 3",
    "select * from images unpivot (v for measure in (mean, std)) where collection = 'c' order by image_id, measure limit 3",
    "with c as (select class, count(*) n from truth group by class) select * from truth where class in (select class from c order by n, class limit 2)",
    "select image_id, first_value(uri) over (partition by collection order by image_id) f from images",
    "select image_id, row_number() over w from images window w as (partition by split order by mean, collection, image_id)",
    "select image_id, row_number() over (partition by collection, image_id, model order by version desc) r from labels",
    "select class, row_number() over (order by count(*) desc, class) r from truth group by class",
    "select image_id, rank() over (order by mean), sum(width) over (order by mean) from images",
    "select image_id, count(*) over (order by mean rows between unbounded preceding and unbounded following) from images",
    "select collection, image_id, collect_set(class) classes from annotations group by collection, image_id",
    "select collection, image_id, sort_array(collect_list(class)) c from annotations group by collection, image_id",
    "select * from images where ingested_at < timestamp '2026-01-31 12:30:00'",
    "select * from images where ingested_at < :until and uri <> 'now'",
    "select id from range(10) order by id limit 3",
]  # fmt: skip


@pytest.mark.parametrize(("sql", "advice"), REFUSED)
def test_what_may_give_another_answer_is_refused(
    spark: SparkSession, sql: str, advice: str
) -> None:
    with pytest.raises(QueryRefused, match=advice):
        check_query(spark, sql, NAMES, repeatable=True)
    check_query(spark, sql, NAMES)


@pytest.mark.parametrize("sql", PASS)
def test_repeatable_queries_pass(spark: SparkSession, sql: str) -> None:
    check_query(spark, sql, NAMES, repeatable=True)


@pytest.fixture(scope="module")
def desk(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Ten thousand images, partitioned anew by each test."""
    return open_desk(spark, tmp_path_factory.mktemp("canary"))


def _partition(desk: Desk, partitions: int) -> None:
    rows = desk.session.range(10_000).repartition(partitions)
    frame = rows.selectExpr("'c' collection", "sha2(cast(id as string), 256) image_id", "id")
    frame.createOrReplaceTempView("images")


def _ids(desk: Desk, sample: str) -> list[str]:
    sql = f"select images.image_id from images {sample} where images.id >= 0"
    return sorted(row[0] for row in desk.ask(sql, repeatable=True).collect())


def test_a_sample_does_not_depend_on_partitions(desk: Desk) -> None:
    _partition(desk, 1)
    once = _ids(desk, "tablesample (10 percent) repeatable (7)")
    assert 850 < len(once) < 1150
    for partitions in (2, 8):
        _partition(desk, partitions)
        assert _ids(desk, "tablesample (10 percent) repeatable (7)") == once
    assert _ids(desk, "TableSample /* é😀 */ (10.0 Percent)\n-- x\n REPEATABLE (7)") == once


def test_samples_differ_by_seed_and_grow_with_their_share(desk: Desk) -> None:
    _partition(desk, 2)
    tenth = set(_ids(desk, "tablesample (10 percent)"))
    assert tenth == set(_ids(desk, "tablesample (10 percent) repeatable (0)"))
    assert tenth != set(_ids(desk, "tablesample (10 percent) repeatable (1)"))
    fifth = set(_ids(desk, "tablesample (bucket 1 out of 5)"))
    assert tenth < fifth
    assert 1850 < len(fifth) < 2150
    assert _ids(desk, "tablesample (0 percent)") == []
    assert len(_ids(desk, "tablesample (100 percent)")) == 10_000


@pytest.mark.parametrize(
    "sql",
    [
        "select '😀', i.image_id from images tablesample (10 percent) repeatable (7) as i",
        "select '😀', i.image_id from (images) tablesample (10 percent) repeatable (7) i",
        "select '😀', i.image_id from (images i) tablesample (10 percent) repeatable (7)",
        "select '😀', i.b from IMAGES tablesample (10 percent) repeatable (7) i(a, b, c)",
        "select '😀', x.image_id from `images` tablesample (10 percent) repeatable (7) join (select image_id from images tablesample (100 percent)) x using (image_id)",
        "select '😀', image_id from images tablesample (10 percent) repeatable (7) where exists (select 1 from images tablesample (100 percent))",
    ],
)
def test_every_way_of_writing_a_sample_draws_the_same(desk: Desk, sql: str) -> None:
    _partition(desk, 2)
    drawn = [row[1] for row in desk.ask(sql, repeatable=True).collect()]
    assert sorted(drawn) == _ids(desk, "tablesample (10 percent) repeatable (7)")


def test_honest_slices_are_rarely_refused(spark: SparkSession) -> None:
    refused = [sql for sql in honest.SLICES if not _repeats(spark, sql)]
    assert len(refused) <= 2, refused


def _repeats(spark: SparkSession, sql: str) -> bool:
    try:
        check_query(spark, sql, NAMES, repeatable=True)
    except QueryRefused:
        return False
    return True

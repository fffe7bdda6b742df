"""The guard lets reading through and nothing else: tried on Spark's own parser."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from labelmill.errors import InputError, LabelmillError, QueryRefused, UnknownName
from labelmill.pipelines import guard

VIEWS = ["images", "annotations", "labels", "truth", "image_chunks"]

HONEST = [
    "select * from images",
    "SELECT * FROM Images;",
    "table images",
    "from images select image_id",
    "select 1",
    "values (1, 'a'), (2, 'b')",
    "select collection, count(*) n from images group by collection having count(*) > 2 order by n desc limit 3",
    "select distinct class from truth",
    "select i.*, t.class from images i join truth t using (collection, image_id)",
    "select i.* from images i left join labels l on i.image_id = l.image_id and l.version = 3 where l.image_id is null",
    "select * from images i natural join truth cross join (select 1 as one) o",
    "select * from images i left anti join labels l on i.image_id = l.image_id",
    "select * from images i left semi join labels l on i.image_id = l.image_id",
    "select * from images, labels where images.image_id = labels.image_id",
    "with t as (select * from images), u as (select * from t) select * from u join t on t.uri = u.uri",
    "select * from (with t as (select * from truth) select class from t) where class in ('1', '2')",
    "select *, row_number() over (partition by class order by image_id) r from truth",
    "select lag(mean, 1) over w, avg(mean) over (order by image_id rows between 2 preceding and current row) from images window w as (order by image_id)",
    "select sum(mean) over (order by image_id range between unbounded preceding and unbounded following) from images",
    "select * from images tablesample (10 percent) repeatable (7)",
    "select * from images where pmod(xxhash64(image_id), 10) = 0",
    "select image_id, part from images lateral view explode(split(uri, '/')) p as part",
    "select posexplode(array(1, 2, 3))",
    "select get_json_object(attributes, '$.a'), from_json(attributes, 'a int').a from images",
    "select case when mean > 0.5 then 'light' else 'dark' end k, cast(mean as string) from images",
    "select a[0], m['k'], s.f from (select array(1) a, map('k', 1) m, named_struct('f', 1) s)",
    "select transform(array(1, 2), x -> x + 1), filter(array(1, 2), x -> x > 1), aggregate(array(1), 0, (a, b) -> a + b)",
    "select count(distinct class), count(*) filter (where class = '1'), max_by(class, image_id) from truth",
    "select percentile(mean, 0.5), percentile_cont(0.5) within group (order by mean), stddev(mean) from images",
    "select class, collection, count(*), grouping(class) from truth group by cube (class, collection)",
    "select class, count(*) from truth group by rollup (class)",
    "select class, count(*) from truth group by grouping sets ((class), ())",
    "select * from (select class, collection from truth) pivot (count(*) for class in ('0', '1'))",
    "select * from images unpivot (v for k in (mean, std))",
    "select class from truth union all select class from labels",
    "select image_id from truth except select image_id from labels",
    "select image_id from truth intersect select image_id from labels",
    "select * from images where exists (select 1 from truth where truth.image_id = images.image_id)",
    "select *, (select max(version) from labels) newest from images",
    "select * from images where image_id not in (select image_id from labels where probability < 0.9)",
    "select i.uri, l.class from images i, lateral (select class from labels where labels.image_id = i.image_id) l",
    "select /*+ broadcast(t) */ * from images i join truth t on i.image_id = t.image_id",
    "select uri like '%.png', uri ilike 'A%', uri rlike 'x', uri like any ('a', 'b'), not uri like all ('a', 'b'), mean between 0 and 1, mean <=> null from images",
    "select date_trunc('day', ingested_at), ingested_at - interval 1 day, extract(year from ingested_at), current_timestamp(), current_date, date '2026-01-01' from images",
    "select trim(both 'x' from uri), substring(uri from 1 for 2), position('a' in uri), uri || 'x', -mean, mean / 2 % 3, 7 div 2, ~1 | 2 & 3 ^ 4 from images",
    "select * from range(10)",
    "select * from images limit 5 offset 2",
    "select * from images order by rand() limit 5",
    "select `class` as `the class`, x'1F', 1.5e0, 1L, true, null from truth t(a, b, class, d)",
    "select max(struct(mean, image_id)).image_id from images",
]

ATTACKS = [
    "drop table images",
    "drop view images",
    "truncate table images",
    "alter table images rename to x",
    "alter table images add columns (x int)",
    "alter view images as select 1",
    "create table t as select * from images",
    "create table t (a int) using parquet location '/tmp/t'",
    "create view v as select 1",
    "create temporary view v as select 1",
    "create temporary view v using csv options (path '/etc/passwd')",
    "create function f as 'x.Y'",
    "create database d",
    "insert into images select * from images",
    "insert overwrite directory '/tmp/x' using parquet select 1",
    "insert overwrite local directory '/tmp/x' select 1",
    "from images insert overwrite directory '/tmp/x' select image_id",
    "from images insert into t select image_id insert into u select uri",
    "with t as (select 1) insert overwrite directory '/tmp/x' using csv select * from t",
    "delete from images",
    "update images set uri = 'x'",
    "merge into images a using labels b on a.image_id = b.image_id when matched then delete",
    "select * from text.`/etc/passwd`",
    "select * from csv.`file:///etc/passwd`",
    "select * from json.`/tmp/x`",
    "select * from binaryFile.`/etc/passwd`",
    "select * from spark_catalog.default.images",
    "select * from global_temp.images",
    "select * from (select * from (select * from text.`/etc/passwd`))",
    "with t as (select * from text.`/etc/passwd`) select * from t",
    "with images as (select * from text.`/etc/passwd`) select * from images",
    "select * from images where exists (select 1 from text.`/etc/passwd`)",
    "select (select first(value) from text.`/etc/passwd`)",
    "select * from images where uri in (select value from text.`/etc/passwd`)",
    "select * from images i, lateral (select * from text.`/etc/passwd`) l",
    "select * from images union select value from text.`/etc/passwd`",
    "select * from images order by (select value from text.`/etc/passwd`)",
    "select reflect('java.lang.System', 'getenv', 'HOME')",
    "select java_method('java.lang.Runtime', 'getRuntime')",
    "select REFLECT('java.lang.System', 'exit', 1) from images",
    "select `reflect`('java.lang.System', 'exit', 1)",
    "select system.builtin.reflect('a', 'b')",
    "select upper(concat('a', reflect('a', 'b')))",
    "select max(reflect('a', 'b')) over (order by reflect('c', 'd')) from images",
    "select count(*) filter (where reflect('a', 'b') = 'x') from images",
    "select transform(array(1), x -> reflect('a', 'b'))",
    "select * from images lateral view explode(array(reflect('a', 'b'))) q as w",
    "select * from values (reflect('a', 'b'))",
    "select * from images join labels on reflect('a', 'b') = 'x'",
    "select count(*) from images group by reflect('a', 'b') having reflect('a', 'b') = 'x'",
    "select * from images limit length(reflect('a', 'b'))",
    "select * from images tablesample (length(reflect('a', 'b')) rows)",
    "select case when reflect('a', 'b') = 'x' then 1 end",
    "select * from range(length(reflect('a', 'b')))",
    "select transform(image_id) using 'id' as (x string) from images",
    "from images map image_id using 'cat' as (x)",
    "select * from (select transform(image_id) using 'sh -c id' as (x) from images)",
    "select input_file_name()",
    "select current_user(), current_database(), version()",
    "select current_user from images",
    "select session_user",
    "select xpath_string('<a/>', 'a')",
    "select raise_error('x')",
    "select my_udf(image_id) from images",
    "select * from stream(images)",
    "select * from my_function(1)",
    "select * from images timestamp as of '2026-01-01'",
    "select * from images version as of 1",
    "select * from identifier('ima' || 'ges')",
    "select * from identifier('text.`/etc/passwd`')",
    "select ? from images",
    "select /*+ my_hint(1) */ * from images",
    "set spark.sql.runSQLOnFiles=true",
    "set",
    "reset",
    "use other",
    "add jar '/tmp/x.jar'",
    "add file '/etc/passwd'",
    "list jars",
    "load data inpath '/etc/passwd' into table images",
    "cache table images",
    "cache table x as select 1",
    "uncache table images",
    "clear cache",
    "refresh table images",
    "refresh '/tmp'",
    "analyze table images compute statistics",
    "msck repair table images",
    "explain select 1",
    "describe images",
    "describe query select 1",
    "show tables",
    "show create table images",
    "comment on table images is 'x'",
    "dfs -ls /",
    "!id",
]  # fmt: skip


@pytest.mark.parametrize("sql", HONEST)
def test_reading_passes(spark: SparkSession, sql: str) -> None:
    guard.check(spark, sql, VIEWS)


@pytest.mark.parametrize("sql", ATTACKS)
def test_anything_else_is_refused(spark: SparkSession, sql: str) -> None:
    with pytest.raises((QueryRefused, InputError)) as refused:
        guard.check(spark, sql, VIEWS)
    assert isinstance(refused.value, LabelmillError)
    assert "Exception" not in str(refused.value)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("drop table images", "DropTable"),
        ("insert overwrite directory '/tmp/x' using csv select 1", "InsertIntoDir"),
        ("select * from text.`/etc/passwd`", "text./etc/passwd"),
        ("select reflect('a', 'b')", r"reflect\(\)"),
        ("select transform(image_id) using 'id' as (x string) from images", "ScriptTransformation"),
        ("select 1; drop table images", "several statements"),
        ("select * from my_function(1)", "my_function"),
    ],
)
def test_refusal_names_the_construct(spark: SparkSession, sql: str, named: str) -> None:
    with pytest.raises(QueryRefused, match=named):
        guard.check(spark, sql, VIEWS)


def test_unknown_view_suggests_the_near_one(spark: SparkSession) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'images'"):
        guard.check(spark, "select * from image", VIEWS)


def test_a_name_of_with_does_not_leak_out_of_its_scope(spark: SparkSession) -> None:
    sql = "select * from (with t as (select 1) select * from t) join t"
    with pytest.raises(UnknownName, match="'t'"):
        guard.check(spark, sql, VIEWS)


@pytest.mark.parametrize("sql", ["", "  ", "selec 1", "select * from images where )"])
def test_what_is_no_sql_is_an_input_error(spark: SparkSession, sql: str) -> None:
    with pytest.raises(InputError):
        guard.check(spark, sql, VIEWS)

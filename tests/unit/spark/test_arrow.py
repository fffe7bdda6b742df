"""Arrow schemas of what executors yield, as Spark reads them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.errors import PySparkTypeError

from labelmill.pipelines.export.worker import EXPORTED
from labelmill.pipelines.ingest.batch import SUMMARY
from labelmill.spark.arrow import struct_type


def test_nested_columns_keep_their_types() -> None:
    assert struct_type(SUMMARY).simpleString() == (
        "struct<files:bigint,ids:binary,split_codes:binary,bytes:bigint,annotations:bigint,"
        "reasons:map<string,bigint>,samples:array<array<string>>,classes:map<string,bigint>,"
        "splits:map<string,bigint>,origins:map<string,bigint>,guessed_colours:bigint,"
        "read:double,decode:double,write:double>"
    )


def test_every_column_may_be_null() -> None:
    given = pa.schema([pa.field("uri", pa.string(), nullable=False)])
    assert struct_type(given)["uri"].nullable
    assert struct_type(EXPORTED).names == EXPORTED.names


def test_a_type_that_spark_lacks_is_an_error() -> None:
    with pytest.raises(PySparkTypeError):
        struct_type(pa.schema([("rows", pa.uint64())]))

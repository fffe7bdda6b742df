"""The rule of the one true class, as a table of cases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import SparkSession

from labelmill.store.spark import spark_type
from labelmill.store.tables import ANNOTATIONS
from labelmill.store.truth import VIEWS

T0 = datetime(2024, 1, 1, tzinfo=timezone.utc)
T1 = T0 + timedelta(microseconds=1)

# Annotations (source, class, time) of one image → its truth (class, source), its conflict.
CASES: dict[str, tuple[list[tuple[str, str, datetime]], object, object]] = {
    "one import": ([("folder/5", "5", T0)], ("5", "folder/5"), None),
    "two imports agree": (
        [("folder/5", "5", T1), ("csv/a", "5", T0)],
        ("5", "csv/a"),
        None,
    ),
    "two imports disagree": (
        [("folder/5", "5", T0), ("folder/6", "6", T1)],
        None,
        (["5", "6"], ["folder/5", "folder/6"]),
    ),
    "a person settles a conflict": (
        [("folder/5", "5", T1), ("folder/6", "6", T1), ("person/ann", "7", T0)],
        ("7", "person/ann"),
        None,
    ),
    "an older person beats a newer import": (
        [("person/ann", "1", T0), ("folder/5", "5", T1)],
        ("1", "person/ann"),
        None,
    ),
    "the latest person wins": (
        [("person/zoe", "1", T0), ("person/ann", "2", T1)],
        ("2", "person/ann"),
        None,
    ),
    "at the same instant the last source wins": (
        [("person/zoe", "1", T0), ("person/ann", "2", T0)],
        ("1", "person/zoe"),
        None,
    ),
    "a folder that is called person-like is an import": (
        [("folder/person/5", "5", T0), ("folder/6", "6", T0)],
        None,
        (["5", "6"], ["folder/6", "folder/person/5"]),
    ),
}


@pytest.fixture(scope="module")
def answers(spark: SparkSession) -> tuple[dict[str, object], dict[str, object]]:
    rows = [
        ("c", case, source, name, None, at)
        for case, (annotations, _, _) in CASES.items()
        for source, name, at in annotations
    ]
    frame = spark.createDataFrame(rows, spark_type(ANNOTATIONS)).repartition(3)
    frame.createOrReplaceTempView("annotations")
    truth = spark.sql(VIEWS["truth"]).collect()
    conflicts = spark.sql(VIEWS["truth_conflicts"]).collect()
    spark.catalog.dropTempView("annotations")
    assert len({row["image_id"] for row in truth}) == len(truth)
    return (
        {row["image_id"]: (row["class"], row["source"]) for row in truth},
        {row["image_id"]: (row["classes"], row["sources"]) for row in conflicts},
    )


@pytest.mark.parametrize("case", CASES)
def test_case(case: str, answers: tuple[dict[str, object], dict[str, object]]) -> None:
    truth, conflicts = answers
    assert truth.get(case) == CASES[case][1]
    assert conflicts.get(case) == CASES[case][2]

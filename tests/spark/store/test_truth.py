"""The rule of the one true class: a table of cases, and its two forms against each other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from random import Random

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from labelmill.store.schema.tables import ANNOTATIONS
from labelmill.store.schema.truth import READS, VIEWS, truth_of
from labelmill.store.spark.frames import spark_type

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


def _over_columns(rows: list[tuple[str, str, str, datetime]]) -> dict[str, object]:
    """`truth_of` rows of (image, source, class, time)."""
    table = pa.table(
        dict(zip(READS, zip(*rows, strict=True), strict=True)) if rows else {n: [] for n in READS},
        pa.schema([
            ("image_id", pa.string()), ("source", pa.string()), ("class", pa.string()),
            ("annotated_at", pa.timestamp("us", "UTC")),
        ]),
    )  # fmt: skip
    found = truth_of(table).to_pylist()
    assert len({row["image_id"] for row in found}) == len(found)
    return {row["image_id"]: (row["class"], row["source"]) for row in found}


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
    rows = [(case, *annotation) for annotation in CASES[case][0]]
    assert _over_columns(rows).get(case) == CASES[case][1]


def test_no_annotations_are_no_truth() -> None:
    assert _over_columns([]) == {}


def test_both_forms_agree(spark: SparkSession) -> None:
    draw = Random(7)
    sources = ["person/ann", "person/zoe", "person", "person/é", "folder/a", "idx/b", "personal/c"]
    classes = ["a", "b", "ä", "B", "", "😀", "\uffff"]
    rows = []
    for image in range(1500):
        for source in draw.sample(sources, draw.choice([1, 1, 2, 3, 4])):
            at = T0 + timedelta(microseconds=draw.randrange(3))
            rows.append((f"{image:04d}", source, draw.choice(classes[: draw.choice([1, 7])]), at))
    draw.shuffle(rows)
    cells = [("c", image, source, name, None, at) for image, source, name, at in rows]
    frame = spark.createDataFrame(cells, spark_type(ANNOTATIONS)).repartition(3)
    frame.createOrReplaceTempView("annotations")
    truth = spark.sql(VIEWS["truth"]).collect()
    spark.catalog.dropTempView("annotations")
    assert _over_columns(rows) == {r["image_id"]: (r["class"], r["source"]) for r in truth}
    assert 500 < len(truth) < 1500  # some are settled, some are not

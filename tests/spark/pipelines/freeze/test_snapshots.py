"""A snapshot pins a slice: corrections, parameters, and jobs that write meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.domain.splits.assign import Division
from labelmill.errors import InputError, UnknownName
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.freeze import driver as freezing
from labelmill.pipelines.freeze.driver import default_sql, freeze, truth_sql
from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from labelmill.sql.snapshot import parse_snapshot
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.spark.frames import ensure_all
from labelmill.training_sets.assembly.options import Options
from tests.helpers.catalogues import annotate, drawn, put_images
from tests.helpers.image_folders import write_image_folder

IDS = [f"i{n:03d}" for n in range(30)]


@pytest.fixture
def catalogue(settings: Settings, client: RowClient) -> RowClient:
    ensure_all(settings, client)
    put_images(client, "c", dict(zip(IDS, drawn(30), strict=True)))
    annotate(client, "c", {i: "ab"[n % 2] for n, i in enumerate(IDS)})
    return client


def _classes(place: str) -> dict[str, str]:
    frozen = TrainingSet.open(place)
    return {
        row["image_id"]: row["class"]
        for split in frozen.manifest.histogram
        for row in frozen.rows(split).select(["image_id", "class"]).to_pylist()
    }


def test_a_correction_changes_the_next_freeze_and_not_the_old_one(
    spark: SparkSession, settings: Settings, catalogue: RowClient, tmp_path: Path
) -> None:
    sql = truth_sql("c")
    before = freeze(spark, settings, sql, "x").results
    annotate(catalogue, "c", {"i000": "b", "i001": "q"}, "person/ann", 1)
    annotate(catalogue, "c", {"i001": "z"}, "person/bob", 2)
    annotate(catalogue, "c", {"i002": "b"}, "idx/b")
    after = freeze(spark, settings, sql, "x").results
    old, new = _classes(before["location"]), _classes(after["location"])
    assert {i: new.get(i) for i in old if new.get(i) != old[i]} == {
        "i000": "b",  # a person wins over an import
        "i001": "z",  # the latest person wins over others
        "i002": None,  # imports that disagree are no truth
    }
    pinned = freeze(
        spark, settings, sql, "x", snapshot_ms=before["snapshot_ms"], location=str(tmp_path)
    ).results
    assert pinned["digest"] == before["digest"]
    assert _classes(pinned["location"]) == old


def test_the_digest_does_not_care_for_a_job_that_ingests_meanwhile(
    spark: SparkSession, settings: Settings, catalogue: RowClient, tmp_path: Path
) -> None:
    first = freeze(spark, settings, default_sql("c"), "x", location=str(tmp_path / "0")).results
    heap = write_image_folder(tmp_path / "heap", images=400, seed=7)
    # A client of its own, as another job would have.
    writer = threading.Thread(target=ingest, args=(spark, settings, str(heap), "c"))
    correcting = threading.Event()

    def correct() -> None:
        own = open_client(settings)
        while not correcting.is_set():
            annotate(own, "c", dict.fromkeys(IDS, "b"), "person/eve", 3)
        own.close()

    corrector = threading.Thread(target=correct)
    writer.start()
    corrector.start()
    try:
        for number, sql in enumerate((default_sql("c"), truth_sql("c")), 1):
            again = freeze(
                spark, settings, sql, "x", snapshot_ms=first["snapshot_ms"],
                location=str(tmp_path / str(number)),
            ).results  # fmt: skip
            assert again["digest"] == first["digest"]
    finally:
        correcting.set()
        corrector.join()
        writer.join()
    assert freeze(spark, settings, default_sql("c"), "x").results["rows"] == 430


def test_parameters_are_used_and_written_down(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    sql = (
        "select collection, image_id, class, substring(image_id, 1, 3) group from truth "
        "where class = :wanted and collection = :c"
    )
    given = {"wanted": "a", "c": "c"}
    options = Options(Division(fractions=(0.5, 0.25, 0.25)))
    results = freeze(spark, settings, sql, "x", options, given).results
    manifest = TrainingSet.open(results["location"]).manifest
    assert (manifest.parameters, manifest.classes, manifest.rows) == (given, ["a"], 15)
    assert manifest.splitting["grouped_by"] == "group"
    assert sum(manifest.splitting["groups"].values()) == 3
    with pytest.raises(InputError, match="wanted"):
        freeze(spark, settings, sql, "x", options, {"c": "c"})
    with pytest.raises(UnknownName, match="image_idd"):
        freeze(spark, settings, sql.replace("image_id,", "image_idd,"), "x", options, given)


def test_a_snapshot_that_kudu_has_forgotten_is_refused(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    month = int(time.time() * 1000) - 30 * 86_400_000
    # The one is read by the row client, the other by Spark.
    for sql in (truth_sql("c"), truth_sql("c") + " and class <> 'q'"):
        for at, said in (
            (month, r"older than Kudu .* keeps history.*7 days"),
            (0, "expected milliseconds since 1970"),
        ):
            with pytest.raises(InputError, match=said):
                freeze(spark, settings, sql, "x", snapshot_ms=at)


def test_nothing_is_read_before_the_moment_has_settled(
    spark: SparkSession,
    settings: Settings,
    catalogue: RowClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    when = []
    monkeypatch.setattr(freezing, "wait_for_snapshot", lambda at, _: when.append("settled"))
    read = freezing.collect_rows
    monkeypatch.setattr(
        freezing, "collect_rows", lambda *given: (when.append("read"), read(*given))[1]
    )
    freeze(spark, settings, truth_sql("c"), "x")
    assert when == ["settled", "read"]


def test_a_moment_is_milliseconds_or_a_time() -> None:
    assert parse_snapshot(None, None) is None
    assert parse_snapshot(None, 5) == 5
    assert parse_snapshot("2026-01-31T12:00Z", None) == 1_769_860_800_000
    assert parse_snapshot("2026-01-31T13:00:00.5+01:00", None) == 1_769_860_800_500
    with pytest.raises(InputError, match="either --at or --snapshot"):
        parse_snapshot("2026-01-31", 5)
    with pytest.raises(InputError, match="--at: 'yesterday' is not a time"):
        parse_snapshot("yesterday", None)

"""``bin/labelmill sql`` and ``digest`` on the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.store.client import RowClient
from labelmill.store.records.digest import collection_digest
from labelmill.store.schema.tables import RECORDS, TABLES
from tests.conftest import ROOT, Servers, environment_for
from tests.helpers.image_folders import write_image_folder

Command = Callable[..., subprocess.CompletedProcess[str]]

REFUSED = [
    "drop table images",
    "insert overwrite directory '/tmp/x' using csv select * from images",
    "select * from text.`/etc/passwd`",
    "select reflect('java.lang.System', 'getenv')",
    "select transform (image_id) using 'cat' from images",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_the_command_refuses_what_does_more_than_read(labelmill: Command, sql: str) -> None:
    answer = labelmill("sql", sql)
    assert answer.returncode == 7, answer.stdout + answer.stderr
    assert "root:" not in answer.stdout


def test_every_table_can_be_queried(spark: SparkSession, settings: Settings) -> None:
    names = [*TABLES, "truth", "truth_conflicts"]
    counts = (f"select '{name}' name, count(*) rows from {name}" for name in names)
    answer = catalogue.query(spark, settings, " union all ".join(counts)).collect()
    assert {row["name"] for row in answer} == set(names)


def test_reading_works_and_anything_else_is_refused(
    labelmill: Command,
    cluster: Servers,
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    tmp_path: Path,
) -> None:
    ingest(spark, settings, str(write_image_folder(tmp_path / "heap")), "c")
    sql = (
        "select class, count(*) n from truth where collection = :c and image_id <> :nobody "
        "group by class order by class"
    )
    # As a process of its own, by the script.
    answer = subprocess.run(
        [
            str(ROOT / "bin" / "labelmill"), "sql", sql, "--param", "c=c", "--param", "nobody='7'",
            "--format", "json",
        ],
        capture_output=True, text=True, timeout=180, cwd=ROOT, env=environment_for(cluster, settings),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert [json.loads(line) for line in answer.stdout.splitlines()] == [
        {"class": "a", "n": 6},
        {"class": "b", "n": 6},
    ]
    micros = str(1_800_000_000_000_000)
    ahead = labelmill("sql", "select 1", "--snapshot", micros)
    assert ahead.returncode == 2
    assert "s in the future; expected milliseconds since 1970 UTC" in ahead.stderr
    refused = labelmill("sql", "select * from text.`/etc/passwd`")
    assert refused.returncode == 7
    assert "not one of the catalogue's views" in refused.stderr
    assert "root:" not in refused.stdout
    wrong = labelmill("sql", "select clas from truth")
    assert wrong.returncode == 2
    assert "Did you mean 'class'" in wrong.stderr
    assert "java." not in wrong.stderr
    assert "Traceback" not in wrong.stderr
    digest = labelmill("digest", "c")
    assert digest.stdout == f"{collection_digest(client, 'c')}  c\n"
    ahead = labelmill("digest", "c", "--snapshot", "99999999999999")
    assert ahead.returncode == 2
    assert "in the future; expected milliseconds since 1970" in ahead.stderr


def test_times_are_utc_and_can_be_given_back(
    labelmill: Command, client: RowClient, cluster: Servers, settings: Settings
) -> None:
    """Two moments of the hour that New York has twice; the process that prints them is there."""
    client.ensure(RECORDS)
    moments = [datetime(2025, 11, 2, hour, 30, tzinfo=timezone.utc) for hour in (5, 6)]
    client.write(
        RECORDS,
        [
            {"collection": "c", "record_id": str(n), "split": None, "class": None, "features": "{}",
             "source_time": moment, "ingested_at": moment}
            for n, moment in enumerate(moments)
        ],
    )  # fmt: skip
    sql = "select record_id, source_time, array(ingested_at) times from records order by record_id"
    environment = {**environment_for(cluster, settings), "TZ": "America/New_York"}
    answer = subprocess.run(
        [ROOT / "bin" / "labelmill", "sql", sql, "--format", "csv"],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    for shown in ("2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z"):
        assert answer.stdout.count(shown) == 2, answer.stdout
    for number, shown in enumerate(("2025-11-02T05:30:00Z", "timestamp '2025-11-02T06:30:00Z'")):
        again = labelmill(
            "sql", "select record_id from records where source_time = :at", "--param", f"at={shown}",
            "--format", "csv",
        )  # fmt: skip
        assert again.stdout == f"record_id\n{number}\n", again.stdout + again.stderr

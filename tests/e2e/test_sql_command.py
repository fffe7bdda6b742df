"""``bin/labelmill sql`` and ``digest`` as people call them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from labelmill.sql import catalogue
from labelmill.store.client import RowClient
from labelmill.store.records.digest import collection_digest
from labelmill.store.schema.tables import TABLES
from tests.conftest import ROOT, Servers, environment_for
from tests.helpers.image_folders import write_image_folder


@pytest.fixture
def labelmill(cluster: Servers, settings: Settings):  # type: ignore[no-untyped-def]
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "bin" / "labelmill"), *arguments],
            capture_output=True,
            text=True,
            timeout=180,
            cwd=ROOT,
            env=environment_for(cluster, settings),
        )

    return run


REFUSED = [
    "drop table images",
    "insert overwrite directory '/tmp/x' using csv select * from images",
    "select * from text.`/etc/passwd`",
    "select reflect('java.lang.System', 'getenv')",
    "select transform (image_id) using 'cat' from images",
]
EACH_QUERY = """
import json, sys
from typer.testing import CliRunner
from labelmill.cli.main import app
for query in sys.argv[1:]:
    done = CliRunner().invoke(app, ["sql", query])
    print(json.dumps([done.exit_code, done.stdout]))
"""


def test_what_does_more_than_read_is_refused_by_the_command(
    cluster: Servers, settings: Settings
) -> None:
    # One process for all of them: a JVM each would take a minute.
    answers = subprocess.run(
        [sys.executable, "-c", EACH_QUERY, *REFUSED],
        capture_output=True, text=True, timeout=180, cwd=ROOT,
        env=environment_for(cluster, settings),
    )  # fmt: skip
    found = [json.loads(line) for line in answers.stdout.splitlines() if line.startswith("[")]
    assert [code for code, _ in found] == [7] * len(REFUSED), answers.stdout + answers.stderr
    assert "root:" not in answers.stdout


def test_every_table_can_be_asked(spark: SparkSession, settings: Settings) -> None:
    names = [*TABLES, "truth", "truth_conflicts"]
    counts = (f"select '{name}' name, count(*) rows from {name}" for name in names)
    answer = catalogue.query(spark, settings, " union all ".join(counts)).collect()
    assert {row["name"] for row in answer} == set(names)


def test_reading_works_and_anything_else_is_refused(
    labelmill,  # type: ignore[no-untyped-def]
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
    answer = labelmill("sql", sql, "--param", "c=c", "--param", "nobody='7'", "--format", "json")
    assert answer.returncode == 0, answer.stderr
    assert [json.loads(line) for line in answer.stdout.splitlines()] == [
        {"class": "a", "n": 6},
        {"class": "b", "n": 6},
    ]
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

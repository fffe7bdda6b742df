"""A freeze as a process: killed while it writes and run again, on executors of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.freeze.driver import freeze, truth_sql
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import TRAINING_SETS
from labelmill.store.spark.frames import ensure_all
from labelmill.training_sets.assembly.options import Options
from tests.conftest import ROOT, Servers
from tests.helpers.catalogues import annotate, drawn, put_images
from tests.helpers.processes import running
from tests.helpers.streams import until

IMAGES = 12_000


def test_killed_while_it_writes_and_run_again(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    cluster: Servers,
    submit: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    ensure_all(settings, client)
    ids = [f"{n:05d}" for n in range(IMAGES)]
    put_images(client, "c", dict(zip(ids, drawn(IMAGES, (64, 64, 1)), strict=True)))
    annotate(client, "c", {i: "ab"[n % 2] for n, i in enumerate(ids)})
    root = Path(settings.training_set_root())
    job = ["--master", "local-cluster[2,1,1024]", "jobs/freeze_training_set.py", "x"]
    job += ["--collection", "c"]
    with running([str(ROOT / "bin" / "submit"), *job], settings, cluster):
        until(lambda: any(root.glob(".freezing-*/*.arrow")), 240)
    assert [path.name.split("-")[0] for path in root.iterdir()] == [".freezing"], (
        "killed while it wrote"
    )
    assert list(client.scan(TRAINING_SETS)) == []

    submit(*job, "--report", tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())["results"]
    assert not again["already_frozen"]
    assert [path.name for path in root.iterdir()] == [again["digest"]], "what was left is gone"
    assert len(TrainingSet.open(again["location"])) == IMAGES
    # Executors or none, the same rows.
    here = freeze(
        spark, settings, truth_sql("c"), "x", Options(source_splits=True),
        snapshot_ms=again["snapshot_ms"],
    ).results  # fmt: skip
    assert (here["digest"], here["already_frozen"]) == (again["digest"], True)

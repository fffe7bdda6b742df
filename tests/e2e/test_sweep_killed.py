"""A sweep on executors of their own: killed half-way, run again, the same rows."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.train.driver import read_plan, sweep
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import SWEEPS, TRIALS
from tests.conftest import ROOT, Servers
from tests.helpers.processes import running
from tests.helpers.streams import report_of, until
from tests.helpers.sweeps import digest, two_bars

PLAN = """
name: many
model: many
fixed: {family: softmax, epochs: 40, batch_size: 4, seed: 1}
vary: {learning_rate: [0.05, 0.01, 0.02, 0.03, 0.04, 0.06]}
"""


@pytest.mark.train
def test_killed_half_way_and_run_again(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    cluster: Servers,
    submit: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    plan, report = tmp_path / "plan.yaml", tmp_path / "report.json"
    plan.write_text(PLAN)
    location = two_bars(tmp_path / "sets")
    client.ensure(TRIALS)
    command = ["--master", "local-cluster[2,1,1024]", "jobs/train_models.py", str(plan)]
    command += ["--training-set", location, "--report", str(report)]
    with running([str(ROOT / "bin" / "submit"), *command], settings, cluster):
        until(lambda: any(client.scan(TRIALS)), 180)
    ended = len(list(client.scan(TRIALS)))
    assert 0 < ended < 6
    assert [row["state"] for row in client.scan(SWEEPS)] == ["running"]

    submit(*command)
    results = report_of(report)["results"]
    assert isinstance(results, dict)
    assert results["skipped"] == ended
    assert results["executors"] == 2 or ended > 4, "both executors were used"
    assert [row["state"] for row in client.scan(SWEEPS)] == ["done"]

    other = settings.model_copy(update={"table_prefix": f"{settings.table_prefix}o_"})
    sweep(spark, other, read_plan(plan), TrainingSet.open(location))
    undisturbed = open_client(other)
    try:
        assert digest(client) == digest(undisturbed)
    finally:
        undisturbed.close()

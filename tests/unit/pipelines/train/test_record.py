"""The rows of a sweep: versions reserved once, models published once, damage noticed."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from labelmill.domain.models.artifact import pack
from labelmill.domain.models.sweep_plan import Setting, SweepPlan
from labelmill.domain.retention import Rule
from labelmill.errors import InputError
from labelmill.pipelines.train.driver import _is_final
from labelmill.pipelines.train.record import SweepRecord
from labelmill.pipelines.train.report import sweep_report
from labelmill.pipelines.train.scheduler import LOST
from labelmill.pipelines.train.worker import Outcome
from labelmill.retention.plan import plan_prune
from labelmill.retention.removal import prune
from labelmill.spark.report import Report
from labelmill.store.client import RowClient
from labelmill.store.records import models, texts
from labelmill.store.schema.rows import checked_rows
from labelmill.store.schema.tables import (
    MODEL_CHUNKS,
    SWEEPS,
    TRIAL_METRICS,
    VERSION_RESERVATIONS,
)
from tests.helpers.memory_client import memory_client
from tests.helpers.small_models import small_artifact

PLAN = SweepPlan.parse({
    "name": "s", "model": "m", "fixed": {"family": "softmax", "epochs": 2},
    "vary": {"learning_rate": [0.1, 0.2]},
})  # fmt: skip
HISTORY = ({"validation_accuracy": 0.5}, {"validation_accuracy": 0.75})


@pytest.fixture
def client() -> RowClient:
    return memory_client()


def outcome(number: int, seed: int = 1) -> Outcome:
    return Outcome(number, pack(small_artifact(seed)), HISTORY, host="h", seconds=1.0)


def settings() -> tuple[Setting, Setting]:
    first, second = PLAN.settings()
    return first, second


def test_a_sweep_keeps_its_versions(client: RowClient) -> None:
    record = SweepRecord.open(client, PLAN, "d1")
    assert SweepRecord.open(client, PLAN, "d1").first_version == record.first_version == 1
    assert SweepRecord.open(client, PLAN, "d2").first_version == 3, "another training set"
    (before,) = client.scan(SWEEPS, where={"sweep_id": record.sweep_id})
    record.write_state("done")
    (after,) = client.scan(SWEEPS, where={"sweep_id": record.sweep_id})
    assert after == {**before, "state": "done"}


def test_ten_thousand_settings_are_one_sweep(client: RowClient) -> None:
    plan = SweepPlan.parse({
        "name": "s", "model": "m", "fixed": {"family": "softmax"},
        "vary": {"learning_rate": [0.1, 0.2], "seed": list(range(5_000))},
    })  # fmt: skip
    record = SweepRecord.open(client, plan, "d1")
    record.write_state("done")
    (row,) = texts.read(client, SWEEPS)
    assert SweepPlan.parse(json.loads(str(row["plan"]))) == plan
    assert SweepRecord.open(client, plan, "d1").first_version == 1
    (cell,) = client.scan(SWEEPS)
    checked_rows(SWEEPS, [cell])


def test_what_is_refused_reserves_no_versions(client: RowClient) -> None:
    with pytest.raises(InputError, match=r"sweeps\.training_set.*65537 bytes"):
        SweepRecord.open(client, PLAN, "d" * 65_537)
    assert list(client.scan(VERSION_RESERVATIONS)) == []
    with pytest.raises(
        InputError, match="`name` has 1,001 bytes, expected a name of at most 1,000"
    ):
        SweepPlan.parse({"name": "x" * 1_001, "fixed": {"family": "softmax"}, "settings": [{}]})


def test_a_trial_becomes_a_version_with_its_metrics(client: RowClient) -> None:
    record = SweepRecord.open(client, PLAN, "d1")
    row = record.write(settings()[1], outcome(1))
    assert (row["state"], row["version"], row["metric"], row["error"]) == ("done", 2, 0.75, None)
    assert record.trials() == {settings()[1].trial_id: {**row}}
    header, data = models.load(client, "m", 2)
    assert data == pack(small_artifact(1))
    assert (header["trial_id"], header["training_set"]) == (settings()[1].trial_id, "d1")
    found = [(m["step"], m["metric"], m["value"]) for m in client.scan(TRIAL_METRICS)]
    assert found == [(1, "validation_accuracy", 0.5), (2, "validation_accuracy", 0.75)]
    assert record.write(settings()[1], outcome(1))["state"] == "done", "a write may be repeated"


def test_a_failed_trial_is_a_row_without_a_version(client: RowClient) -> None:
    record = SweepRecord.open(client, PLAN, "d1")
    row = record.write(settings()[0], Outcome(0, error="diverged", host="h"))
    assert (row["state"], row["version"], row["metric"]) == ("failed", None, None)
    assert row["error"] == "diverged"
    assert models.versions(client, "m") == []


def test_an_attempt_leaves_no_epochs_of_the_one_before(client: RowClient) -> None:
    record = SweepRecord.open(client, PLAN, "d1")
    record.write(settings()[1], outcome(1))
    record.write(settings()[0], Outcome(0, history=HISTORY, error="diverged"))
    record.write(settings()[0], Outcome(0, history=HISTORY[:1], error="diverged"))
    steps = sorted((str(m["trial_id"]), m["step"]) for m in client.scan(TRIAL_METRICS))
    expected = [(settings()[0].trial_id, 1), *((settings()[1].trial_id, n) for n in (1, 2))]
    assert steps == sorted(expected)


def test_other_bytes_never_replace_a_version(client: RowClient) -> None:
    record = SweepRecord.open(client, PLAN, "d1")
    first = settings()[0]
    record.write(first, outcome(0, seed=1))
    # Trained elsewhere, with other bits: what is stored stays, and the trial is done.
    assert record.write(first, outcome(0, seed=2))["state"] == "done"
    assert models.load(client, "m", 1)[1] == pack(small_artifact(1))
    sha256 = models.load(client, "m", 1)[0]["sha256"]
    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": 0}], "delete_ignore")
    assert not record.is_complete(1)
    damaged = record.write(first, outcome(0, seed=2))
    assert damaged["state"] == "failed"
    assert "is damaged, and training gave other bytes" in str(damaged["error"])
    assert record.write(first, outcome(0, seed=1))["state"] == "done", "the same bytes repair it"
    assert record.is_complete(1)
    models.publish(client, "m", 2, small_artifact(3), "d1", "another trial")
    taken = record.write(settings()[1], outcome(1))
    assert "belongs to another trial" in str(taken["error"])


def test_which_trials_run_again(client: RowClient) -> None:
    record = SweepRecord.open(client, PLAN, "d1")
    done = record.write(settings()[0], outcome(0))
    failed = {"state": "failed", "error": "diverged"}
    lost = {"state": "failed", "error": f"{LOST}: the executor is gone"}
    assert [_is_final(record, row, False) for row in (done, failed, lost)] == [True, True, False]
    assert [_is_final(record, row, True) for row in (done, failed, lost)] == [True, False, False]
    sha256 = models.load(client, "m", 1)[0]["sha256"]
    client.write(MODEL_CHUNKS, [{"sha256": sha256, "chunk": 0}], "delete_ignore")
    assert _is_final(record, done, False)
    assert not _is_final(record, done, True), "its model is damaged"


def test_a_version_that_was_pruned_is_not_trained_again(client: RowClient) -> None:
    record, rule = SweepRecord.open(client, PLAN, "d1"), Rule(older_than_days=0)
    for setting in settings():
        record.write(setting, outcome(setting.number, seed=setting.number))
    now = datetime.now(timezone.utc)
    assert plan_prune(client, rule, now).versions.remove == (), "the sweep is running"
    record.write_state("done")
    list(prune(client, plan_prune(client, rule, now, ("versions",)), rule))
    assert models.versions(client, "m") == []

    again = SweepRecord.open(client, PLAN, "d1")
    (sweep,) = client.scan(SWEEPS)
    assert sweep["state"] == "running", "it keeps its training set while it runs again"
    ended = again.trials()
    assert [row["state"] for row in ended.values()] == ["dropped", "dropped"]
    assert all(_is_final(again, row, retry_failed=True) for row in ended.values())
    report = sweep_report(Report("train_models"), PLAN, again, ended, 0, set())
    assert (report.exit_code, report.results["failed"]) == (0, 0)
    assert "best_version" not in report.results
    assert models.next_version(client, "m") == 3

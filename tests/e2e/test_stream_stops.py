"""The labelling stream as a process: stopped, killed, refused; the way its users meet it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.domain.row_digest import rows_digest
from labelmill.pipelines.label.driver import label_stream
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from tests.conftest import ROOT, Servers
from tests.helpers.processes import running
from tests.helpers.streams import StreamFixture, drawn_images, offline, report_of, until


@pytest.fixture
def stream(settings: Settings, client: RowClient, tmp_path: Path) -> StreamFixture:
    return StreamFixture.make(settings, client, tmp_path)


def arguments(stream: StreamFixture, *more: str) -> list[str]:
    plan = stream.plan("killed")
    return [
        str(ROOT / "jobs" / "label_stream.py"), "--topic", stream.topic, "--model", "small",
        "--query", "killed", "--checkpoint", plan.checkpoint, "--max-per-batch", "20", *more,
    ]  # fmt: skip


def digest(stream: StreamFixture) -> str:
    """Of the labels, without what a run cannot repeat (times) or names (query)."""
    left_out = {"labelled_at", "query"}
    return rows_digest(
        [value for name, value in sorted(row.items()) if name not in left_out]
        for row in stream.labels()
    )


def test_killed_in_a_micro_batch_and_started_again(
    spark: SparkSession, stream: StreamFixture, cluster: Servers
) -> None:
    images = drawn_images(120)
    stream.send_images(images)
    with running([sys.executable, *arguments(stream)], stream.settings, cluster):
        # One batch is pinned and not done: in its middle.
        until(lambda: any(r["state"] == "pinned" and r["batch_id"] != 0 for r in stream.batches()))
    assert 0 < len(stream.labels()) < len(images)
    label_stream(spark, stream.settings, stream.plan("killed", max_per_batch=20))
    rows = stream.labels()
    assert {str(r["image_id"]): r["probabilities"] for r in rows} == offline(
        stream.client, 1, images
    )
    assert all(row["state"] == "done" for row in stream.batches())
    killed = digest(stream)

    label_stream(spark, stream.settings, stream.plan("undisturbed", max_per_batch=20))
    assert len(stream.labels()) == len(images), "the same rows were written again"
    assert digest(stream) == killed


@pytest.mark.parametrize("way", ["bin/submit", "spark-submit"])
def test_sigterm_ends_between_two_batches(
    stream: StreamFixture, cluster: Servers, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = drawn_images(200)
    stream.send_images(images)
    report = stream.folder / "report.json"
    command = [str(ROOT / "bin" / "submit")]
    if way == "spark-submit":  # as conf/spark-defaults.conf says, from the root of the checkout
        command = ["spark-submit", "--properties-file", "conf/spark-defaults.conf"]
        monkeypatch.setenv("PATH", f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("SPARK_HOME", raising=False)
    with running(
        [*command, *arguments(stream, "--report", str(report))], stream.settings, cluster
    ) as process:
        until(lambda: any(row["state"] == "done" for row in stream.batches()))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    assert report_of(report)["state"] == "done"
    assert all(row["state"] == "done" for row in stream.batches()), "no batch was cut"
    done = sum(int(str(row["rows"])) for row in stream.batches())
    assert done == len(stream.labels()) < len(images)


def test_a_topic_that_does_not_exist(submit, stream: StreamFixture) -> None:  # type: ignore[no-untyped-def]
    answer = submit(
        "jobs/label_stream.py", "--topic", stream.topic + "x", "--model", "small", check=False
    )
    assert answer.returncode == 5
    assert f"Did you mean '{stream.topic}'" in answer.stderr
    assert "Traceback" not in answer.stderr

"""Ingest while servers and executors die, or do everything twice: the same digest in the end."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.devcluster import DevCluster
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import StoreError
from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records.digest import table_digest
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES, QUARANTINE
from tests.conftest import ROOT, Servers
from tests.helpers.image_folders import write_bad_files, write_image_folder
from tests.helpers.processes import running
from tests.helpers.standalone import executors, standalone
from tests.helpers.streams import until

SMALL, LARGE = 3000, 120
SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "10ms",
    "spark.speculation.multiplier": "0.01",
    "spark.speculation.quantile": "0.01",
    "spark.speculation.minTaskRuntime": "0ms",
}
"""Any task that runs when another is done is started a second time."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files, bad ones, and last in order large ones: the last task takes a while."""
    folder = write_image_folder(tmp_path_factory.mktemp("faults") / "images", SMALL)
    write_bad_files(folder)
    noise = np.random.default_rng(5).integers(0, 256, (LARGE, 800, 800, 1), np.uint8)
    (folder / "large").mkdir()
    for number, pixels in enumerate(noise):
        (folder / f"large/{number}.png").write_bytes(encode_png(pixels, level=1))
    return folder


def test_executors_that_die_and_tasks_that_run_twice_change_nothing(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    cluster: Servers,
    source: Path,
    tmp_path: Path,
) -> None:
    ingest(spark, settings, str(source), "undisturbed")
    digest = _digest(client, "undisturbed")
    with standalone(tmp_path) as (url, workers):

        def job(collection: str, **conf: str) -> list[str]:
            flags = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
            return [
                *(str(ROOT / "bin" / "submit"), "--master", url, *flags, "jobs/ingest_images.py"),
                *(str(source), "--collection", collection),
            ]

        with running(job("killed"), settings, cluster) as process:
            until(lambda: _begun(client, "killed"))
            executors(workers)[0].kill()
            assert process.poll() is None, "killed in the middle"
            out, _ = process.communicate(timeout=200)
        assert process.returncode == 0, out
        assert _digest(client, "killed") == digest

        events = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": tmp_path.as_uri()}
        with running(job("twice", **SPECULATION, **events), settings, cluster) as process:
            out, _ = process.communicate(timeout=200)
        assert process.returncode == 0, out
        assert _speculated(tmp_path) > 0
        assert _digest(client, "twice") == digest


def test_a_tablet_server_that_dies_and_comes_back_loses_nothing(
    spark: SparkSession, own_kudu: tuple[DevCluster, Settings], source: Path
) -> None:
    dev, settings = own_kudu
    client = open_client(settings)
    client.ensure(IMAGES)
    failed: list[StoreError] = []

    def run() -> None:
        try:
            ingest(spark, settings, str(source), "killed")
        except StoreError as error:
            failed.append(error)

    taking = threading.Thread(target=run)
    taking.start()
    until(lambda: _begun(client, "killed"))
    dev.kill_tserver(1)
    assert taking.is_alive(), "killed in the middle"
    dev.up()
    taking.join(timeout=200)
    assert not taking.is_alive()
    if failed:
        # Then it says so, and the next run completes it.
        assert "Kudu" in str(failed[0])
        ingest(spark, settings, str(source), "killed")
    ingest(spark, settings, str(source), "undisturbed")
    assert _digest(client, "killed") == _digest(client, "undisturbed")
    images = client.scan(IMAGES, ["image_id"], {"collection": "killed"})
    assert len({row["image_id"] for row in images}) == SMALL + LARGE
    client.close()


def _begun(client: RowClient, collection: str) -> bool:
    return any(client.scan(IMAGES, ["image_id"], {"collection": collection}))


def _digest(client: RowClient, collection: str) -> list[str]:
    """Of all that ingest writes, but the collection's name and times."""
    return [
        table_digest(
            client,
            table,
            [c.name for c in table.columns if c.type == "timestamp" or c.name == "collection"],
            {"collection": collection},
        )
        for table in (IMAGES, IMAGE_CHUNKS, ANNOTATIONS, QUARANTINE)
    ]


def _speculated(folder: Path) -> int:
    """Second copies of tasks that Spark has started, as its event log says."""
    lines = [line for log in folder.glob("app-*") for line in log.read_text().splitlines()]
    return sum(bool(json.loads(line).get("Task Info", {}).get("Speculative")) for line in lines)

"""Batches straight from Kudu while scanners expire and tablet servers die."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.devcluster import DevCluster, addresses, ports
from labelmill.errors import ScannerExpired, StoreUnreachable
from labelmill.live.kudu.batches import KuduBatches
from labelmill.live.kudu.planner import make_plan
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.drivers.java import scan as java_scan
from labelmill.store.schema.tables import IMAGES
from labelmill.testing.faults import StallingClient
from tests.helpers.live_images import noise_images, put, query, rows_of
from tests.helpers.streams import until

COUNT, EACH = 600, 40 * 40


@pytest.fixture
def own_store(
    own_kudu: tuple[DevCluster, Settings],
) -> Iterator[tuple[DevCluster, Settings, RowClient]]:
    """Servers for this test alone; operations may take five seconds."""
    dev, settings = own_kudu
    impatient = settings.model_copy(update={"timeout_seconds": 5.0, "row_driver": "java"})
    client = open_client(impatient)
    yield dev, impatient, client
    client.close()


def test_a_tablet_server_that_dies_and_comes_back_is_waited_for(
    spark: SparkSession, own_store: tuple[DevCluster, Settings, RowClient]
) -> None:
    dev, settings, client = own_store
    truth = put(client, noise_images(COUNT, (40, 40, 1)))
    plan = make_plan(query(), settings, spark, unit_bytes=50 * EACH)
    live = KuduBatches.of(plan, settings)
    expected = list(live.numpy(64, seed=2, window_bytes=1))
    batches = live.numpy(64, seed=2, window_bytes=1, prefetch=0)
    walk = iter(batches)
    found = [next(walk)]
    dev.kill_tserver(1)
    with pytest.raises(StoreUnreachable, match="did not answer"):
        list(live.numpy(64, window_bytes=1, patience_seconds=0.1))
    rest: list[tuple[np.ndarray, np.ndarray]] = []
    reading = threading.Thread(target=lambda: rest.extend(walk))
    reading.start()
    dev.up()
    reading.join(timeout=120)
    assert not reading.is_alive()
    found += rest
    assert rows_of(found, live.classes) == rows_of(expected, live.classes)
    assert dict(rows_of(found, live.classes)) == truth


def test_a_scanner_that_expired_is_started_again(
    spark: SparkSession,
    own_store: tuple[DevCluster, Settings, RowClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dev, settings, client = own_store
    monkeypatch.setattr(java_scan, "BATCH_BYTES", 64 << 10)
    truth = put(client, noise_images(COUNT, (40, 40, 1)))
    found = addresses.load(dev.home)
    assert found is not None
    server = f"{ports.host(1)}:{found.tserver_rpc}"
    for flag, value in (("scanner_ttl_ms", "100"), ("scanner_gc_check_interval_us", "100000")):
        answer = dev.kudu_tool("tserver", "set_flag", server, flag, value, "--force")
        assert answer.returncode == 0, answer.stderr
    metrics = f"http://{ports.host(1)}:{found.tserver_web}/metrics?metrics=active_scanners"

    def expired() -> bool:
        metrics_page = urllib.request.urlopen(metrics).read().decode()
        assert "active_scanners" in metrics_page
        return all('"value": 0' in part for part in metrics_page.split("active_scanners")[1:])

    batches = client.scan(IMAGES).batches()
    next(batches)
    assert not expired()
    until(expired)
    with pytest.raises(ScannerExpired, match=r"nothing was read for so long.*scan again"):
        list(batches)

    stalled: list[bool] = []

    def stall() -> None:
        until(expired)
        stalled.append(True)

    plan = KuduBatches.plan(query(), settings, spark)
    slow = StallingClient(client, stall)
    monkeypatch.setattr("labelmill.live.kudu.batches.shared_client", lambda settings: slow)
    live = KuduBatches.of(plan, settings)
    rows = rows_of(list(live.numpy(64)), live.classes)
    assert stalled == [True]
    assert len(rows) == COUNT
    assert dict(rows) == truth

"""Servers that a test may kill."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelmill.devcluster import DevCluster
from labelmill.devcluster.resolve import jars_of
from labelmill.settings import Settings, load
from tests.conftest import Servers


@pytest.fixture
def own_kudu(cluster: Servers, tmp_path: Path) -> Iterator[tuple[DevCluster, Settings]]:
    """Servers that nobody else needs."""
    jars_of(tmp_path / "home")
    with DevCluster(tmp_path / "home", ports="free") as dev:
        yield (
            dev,
            load(
                home=cluster.home,
                kudu_masters=dev.kudu_masters,
                kafka_brokers=dev.kafka_brokers,
                table_prefix=f"t{uuid.uuid4().hex[:10]}_",
                buckets=2,
            ),
        )

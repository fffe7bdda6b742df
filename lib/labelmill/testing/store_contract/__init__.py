"""What every row driver owes its users, as tests against a real Kudu.

Use it from another project, or for another driver::

    class TestMine(StoreContract):
        driver = "java"

It needs two fixtures: ``settings`` (a `Settings` with a table prefix of the test's own, tables
dropped afterwards) and ``kudu_tool`` (``kudu_tool("table", "scan", NAME)`` runs Kudu's own tool
against the same masters and returns what it prints: the route that shares no code with the store).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.testing.store_contract.batches import BatchContract
from labelmill.testing.store_contract.scans import ScanContract
from labelmill.testing.store_contract.tables import TableContract
from labelmill.testing.store_contract.tokens import TokenContract
from labelmill.testing.store_contract.writes import WriteContract


class StoreContract(TableContract, ScanContract, TokenContract, WriteContract, BatchContract):
    """The whole contract; subclasses name the driver."""

    driver: Literal["java", "native"] = "java"

    @pytest.fixture
    def client(self, settings: Settings) -> Iterator[RowClient]:
        """A client of the driver under test."""
        opened = open_client(settings.model_copy(update={"row_driver": self.driver}))
        yield opened
        opened.close()

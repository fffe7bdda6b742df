"""The row driver over Kudu's Java client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.drivers.java import compile as java_source
from labelmill.testing.store_contract import StoreContract
from labelmill.testing.store_contract.batches import BatchContract


class TestJava(StoreContract):
    driver = "java"

    def test_columns_are_taken_apart_by_java(self, client: RowClient) -> None:
        assert java_source.compiled("ColumnWriter") is not None


class TestJavaWithoutCompiler:
    """Where Spark's jars are not there, columns go cell by cell."""

    test_every_type_in_columns = BatchContract.test_every_type_in_columns
    test_slices_of_columns = BatchContract.test_slices_of_columns
    test_columns_refused = BatchContract.test_columns_refused

    @pytest.fixture
    def client(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[RowClient]:
        monkeypatch.setattr(java_source, "spark_jars", lambda pattern: [])
        java_source.compiled.cache_clear()
        opened = open_client(settings.model_copy(update={"row_driver": "java"}))
        yield opened
        opened.close()
        assert java_source.compiled("ColumnWriter") is None
        java_source.compiled.cache_clear()

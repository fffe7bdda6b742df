"""The row driver over Kudu's Java client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labelmill.settings import Settings
from labelmill.store.client import RowClient, open_client
from labelmill.store.drivers import java_rows, java_source
from labelmill.testing.store_contract import StoreContract
from labelmill.testing.store_contract_batches import BatchContract
from labelmill.testing.store_samples import EMPTY, EVERY_TYPE, FULL, NULLS


class TestJava(StoreContract):
    driver = "java"

    def test_columns_are_taken_apart_by_java(self, client: RowClient) -> None:
        assert java_source.compiled("ColumnWriter") is not None
        assert java_source.compiled("ColumnReader") is not None

    def test_large_batches_are_taken_over_by_columns(
        self, client: RowClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.ensure(EVERY_TYPE)
        rows = [{**row, "number": i} for row in (FULL, EMPTY, NULLS) for i in range(7)]
        client.write(EVERY_TYPE, rows)
        names = ["a_string", *(c.name for c in EVERY_TYPE.columns if c.name != "a_string")]
        told = []
        for many, at_once in ((10**9, 1), (1, 10**9), (1, 4)):
            monkeypatch.setattr(java_rows, "MANY", many)
            monkeypatch.setattr(java_rows, "AT_ONCE", at_once)
            found = client.scan(EVERY_TYPE, names)
            told.append(sorted((repr(row) for row in found), key=str))
            assert list(client.scan(EVERY_TYPE, [], {"number": 3})) == [{}] * 3
        assert len(told[0]) == 21
        assert told[0] == told[1] == told[2]


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

"""Contract of ``ensure``, ``names``, ``drop``, ``close``."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from labelmill.errors import SchemaMismatch, StoreError, StoreUnreachable
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import IMAGES, SCHEMA_VERSIONS
from labelmill.store.schema.types import Column, Table
from labelmill.testing.store_contract.samples import EVERY_TYPE, PLAIN, plain_rows

Tool = Callable[..., str]


class TableContract:
    """Tables come, are compared, are listed, and go."""

    def test_created_as_declared(
        self, client: RowClient, settings: Settings, kudu_tool: Tool
    ) -> None:
        client.ensure(IMAGES)
        output = kudu_tool(
            "table", "describe", settings.table_prefix + "images", "-show_attributes"
        )
        assert re.search(r"collection STRING NOT NULL DICT_ENCODING LZ4", output)
        assert re.search(r"image_id STRING NOT NULL PREFIX_ENCODING LZ4", output)
        assert re.search(r"pixels BINARY NULLABLE PLAIN_ENCODING LZ4", output)
        assert re.search(r"thumbnail BINARY NULLABLE PLAIN_ENCODING NO_COMPRESSION", output)
        assert re.search(r"ingested_at UNIXTIME_MICROS NOT NULL BIT_SHUFFLE", output)
        assert "PRIMARY KEY (collection, image_id)" in output
        assert f"HASH (image_id) PARTITIONS {settings.buckets}" in output
        assert "RANGE (collection" not in output

    def test_tables_that_have_a_range_beside_their_hash(
        self,
        client: RowClient,
        settings: Settings,
        kudu_tool: Tool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # As all hashed tables were made once.
        with monkeypatch.context() as then:
            then.setattr(Table, "range_on", property(lambda table: table.key))
            client.ensure(EVERY_TYPE)
        name = settings.table_prefix + EVERY_TYPE.name
        assert "RANGE (name, number)" in kudu_tool("table", "describe", name)
        client.ensure(EVERY_TYPE)
        rows = [{"name": f"n{i}", "number": i} for i in range(50)]
        columns = {
            "name": pa.array([f"n{i}" for i in range(25, 75)]),
            "number": pa.array(range(25, 75), pa.int32()),
        }
        client.write(EVERY_TYPE, rows)
        client.write(EVERY_TYPE, pa.table(columns), "insert_ignore")
        found = list(client.scan(EVERY_TYPE, ["number"]))
        assert len(found) == 75
        assert {row["number"] for row in found} == set(range(75))
        assert [row["number"] for row in client.scan(EVERY_TYPE, ["number"], {"name": "n7"})] == [7]

    def test_ensure_again_keeps_rows(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(3))
        client.ensure(PLAIN)
        assert len(list(client.scan(PLAIN))) == 3

    def test_version_is_recorded(
        self, client: RowClient, settings: Settings, kudu_tool: Tool
    ) -> None:
        client.ensure(replace(PLAIN, version=7))
        output = kudu_tool(
            "table", "scan", settings.table_prefix + "schema_versions", "-show_values"
        )
        assert 'table_name="contract_plain", int32 version=7' in output

    def test_other_version_is_refused(self, client: RowClient, settings: Settings) -> None:
        client.ensure(PLAIN)
        with pytest.raises(
            SchemaMismatch, match=r"contract_plain.* version 1, .*expects version 2"
        ):
            client.ensure(replace(PLAIN, version=2))

    def test_other_columns_are_refused(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        changed = replace(
            PLAIN,
            columns=(*PLAIN.columns[:-1], Column("remark", "string", "", nullable=True)),
        )
        with pytest.raises(
            SchemaMismatch, match=r"remark is missing; note is not declared.*TABLE_PREFIX"
        ):
            client.ensure(changed)

    def test_other_type_is_refused(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        columns = (PLAIN.columns[0], Column("number", "int32", ""), PLAIN.columns[2])
        with pytest.raises(SchemaMismatch, match="number is int64, expected int32"):
            client.ensure(replace(PLAIN, columns=columns))

    def test_many_creators_at_once(self, settings: Settings, client: RowClient) -> None:
        driver = getattr(self, "driver", "java")
        own = settings.model_copy(update={"row_driver": driver})
        clients = [open_client(own) for _ in range(3)]
        try:
            with ThreadPoolExecutor(3) as pool:
                list(pool.map(lambda c: c.ensure(EVERY_TYPE), clients))
            assert clients[1].write(EVERY_TYPE, [{"name": "x", "number": 1}]) == 1
            assert len(list(clients[2].scan(EVERY_TYPE))) == 1
        finally:
            for one in clients:
                one.close()

    def test_names_are_those_of_the_prefix(
        self, client: RowClient, settings: Settings, kudu_tool: Tool
    ) -> None:
        client.ensure(PLAIN)
        other = settings.model_copy(update={"table_prefix": "other_" + settings.table_prefix})
        stranger = open_client(other)
        try:
            stranger.ensure(PLAIN)
            prefix = settings.table_prefix
            assert client.names() == [prefix + "contract_plain", prefix + "schema_versions"]
            assert set(client.names()) < set(kudu_tool("table", "list").split())
        finally:
            stranger.drop(PLAIN)
            stranger.drop(SCHEMA_VERSIONS)
            stranger.close()

    def test_drop_forgets_rows_and_version(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(3))
        client.drop(PLAIN)
        assert not [name for name in client.names() if name.endswith("contract_plain")]
        client.drop(PLAIN)
        client.ensure(replace(PLAIN, version=2))
        assert list(client.scan(PLAIN)) == []

    def test_absent_table_says_so(self, client: RowClient, settings: Settings) -> None:
        with pytest.raises(StoreError, match=f"{settings.table_prefix}contract_plain.*ensure"):
            list(client.scan(PLAIN))
        with pytest.raises(StoreError, match=f"{settings.table_prefix}contract_plain.*ensure"):
            client.write(PLAIN, plain_rows(1))

    def test_masters_that_do_not_answer(self, settings: Settings, free_port: int) -> None:
        nobody = settings.model_copy(
            update={
                "kudu_masters": f"127.0.0.1:{free_port}",
                "timeout_seconds": 1.5,
                "row_driver": getattr(self, "driver", "java"),
            }
        )
        with pytest.raises(
            StoreUnreachable,
            match=rf"127.0.0.1:{free_port} did not answer within 1.5 s.*labelmill up",
        ):
            open_client(nobody)

    def test_closed_twice(self, client: RowClient) -> None:
        client.close()
        client.close()
        with pytest.raises(StoreError, match="closed"):
            client.ensure(PLAIN)

    @pytest.fixture
    def free_port(self) -> int:
        """A port of this machine that nobody listens on."""
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

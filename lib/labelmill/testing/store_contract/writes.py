"""Contract of ``write``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from labelmill.errors import InputError, RowsRefused, UnknownName
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import MODEL_CHUNKS
from labelmill.testing.store_contract.samples import EVERY_TYPE, PLAIN, plain_rows

Tool = Callable[..., str]


class WriteContract:
    """Rows arrive, or the error says which did not and why."""

    def test_upsert_replaces_and_leaves_what_is_left_out(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, [{"name": "a", "number": 1, "note": "first"}])
        assert client.write(PLAIN, [{"name": "a", "number": 2}]) == 1
        assert _all(client) == [("a", 2, "first")]
        client.write(PLAIN, [{"name": "a", "number": 2, "note": None}])
        assert _all(client) == [("a", 2, None)]

    def test_insert_refuses_what_exists(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(7))
        with pytest.raises(RowsRefused) as caught:
            client.write(PLAIN, plain_rows(10), "insert")
        message = str(caught.value)
        assert "refused 7 of 10 rows" in message
        assert message.count("row-0000") == 5
        assert "already present" in message
        assert "insert_ignore" in message
        # The three new ones are there: Kudu has no atomicity across rows.
        assert len(_all(client)) == 10

    def test_insert_ignore_keeps_the_first(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, [{"name": "a", "number": 1}], "insert")
        rows = [{"name": "a", "number": 2}, {"name": "b", "number": 3}]
        assert client.write(PLAIN, rows, "insert_ignore") == 2
        assert _all(client) == [("a", 1, None), ("b", 3, None)]

    def test_delete_ignore(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(3))
        gone = [{"name": "row-00001"}, {"name": "never"}, {"name": "row-00002", "note": "x"}]
        assert client.write(PLAIN, gone, "delete_ignore") == 3
        assert _all(client) == [("row-00000", 0, None)]

    def test_nothing_to_write(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        assert client.write(PLAIN, []) == 0
        assert client.write(PLAIN, iter(()), "insert") == 0

    def test_five_thousand_rows(
        self, client: RowClient, settings: Settings, kudu_tool: Tool
    ) -> None:
        client.ensure(PLAIN)
        assert client.write(PLAIN, iter(plain_rows(5000))) == 5000
        assert "Total count 5000 " in kudu_tool("table", "scan", settings.table_prefix + PLAIN.name)
        assert sum(int(str(r["number"])) for r in client.scan(PLAIN)) == 4999 * 5000 // 2

    def test_forty_megabytes_of_chunks(self, client: RowClient) -> None:
        client.ensure(MODEL_CHUNKS)
        rows: list[dict[str, object]] = [
            {"sha256": "s", "chunk": i, "data": bytes([i % 251]) * 32768, "data_sha256": ""}
            for i in range(1300)
        ]
        assert client.write(MODEL_CHUNKS, rows, "insert_ignore") == 1300
        seen = {int(str(r["chunk"])): r["data"] for r in client.scan(MODEL_CHUNKS)}
        assert all(seen[i] == rows[i]["data"] for i in range(1300))

    def test_largest_cell(self, client: RowClient, settings: Settings, kudu_tool: Tool) -> None:
        client.ensure(EVERY_TYPE)
        full = bytes(range(256)) * 256
        assert client.write(EVERY_TYPE, [{"name": "full", "number": 1, "a_binary": full}]) == 1
        (row,) = client.scan(EVERY_TYPE, ["a_binary"])
        assert row["a_binary"] == full
        over: list[dict[str, object]] = [
            {"name": "fits", "number": 1},
            {"name": "over", "number": 2, "a_binary": full + b"x"},
        ]
        with pytest.raises(
            InputError,
            match=r"contract_types.a_binary of row 1 .*'over'.* 65537 bytes.*65536.*chunk",
        ):
            client.write(EVERY_TYPE, over)
        with pytest.raises(InputError, match=r"a_string.*65538 bytes"):
            client.write(EVERY_TYPE, [{"name": "é", "number": 1, "a_string": "é" * 32769}])
        output = kudu_tool("table", "scan", settings.table_prefix + EVERY_TYPE.name)
        assert "Total count 1 " in output

    @pytest.mark.parametrize(
        ("row", "error", "message"),
        [
            ({"name": "a", "numbr": 1}, UnknownName, r"'numbr'.*Did you mean 'number'"),
            ({"name": "a"}, InputError, r"number is missing in row 1 \(name='a'\)"),
            ({"number": 1}, InputError, r"name is missing in row 1"),
            ({"name": "a", "number": None}, InputError, r"number of row 1.*may not be null"),
            ({"name": "a", "number": "1"}, InputError, r"number.*expected int.*str '1'"),
            ({"name": "a", "number": 1.0}, InputError, r"number.*expected int.*float"),
            ({"name": "a", "number": True}, InputError, r"number.*expected int.*bool"),
            ({"name": "a", "number": 2**63}, InputError, r"number.*outside int64"),
            ({"name": b"a", "number": 1}, InputError, r"name.*expected str.*bytes"),
            ({"name": "\ud800", "number": 1}, InputError, r"name.*UTF-8"),
            ({"name": "a", "number": 1, "note": 5}, InputError, r"note.*expected str.*int '5'"),
        ],
    )
    def test_bad_row_stops_all(
        self, client: RowClient, row: dict[str, object], error: type[Exception], message: str
    ) -> None:
        client.ensure(PLAIN)
        with pytest.raises(error, match=message):
            client.write(PLAIN, [{"name": "good", "number": 1}, row])
        assert _all(client) == []

    def test_moment_without_zone(self, client: RowClient) -> None:
        client.ensure(EVERY_TYPE)
        naive = datetime(2024, 1, 1)
        with pytest.raises(InputError, match=r"a_timestamp.*no time zone.*timezone.utc"):
            client.write(EVERY_TYPE, [{"name": "a", "number": 1, "a_timestamp": naive}])


def _all(client: RowClient) -> list[tuple[object, ...]]:
    rows = [(r["name"], r["number"], r["note"]) for r in client.scan(PLAIN)]
    return sorted(rows, key=lambda row: str(row[0]))

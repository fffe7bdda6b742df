"""Contract of ``write`` for Arrow columns: what it means for dicts, it means for them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from labelmill.errors import InputError, RowsRefused, StoreError, UnknownName
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import MODEL_CHUNKS
from labelmill.testing.store_contract.samples import (
    EMPTY,
    EVERY_TYPE,
    EVERY_TYPE_COLUMNS,
    FULL,
    NULLS,
    PLAIN,
    plain_rows,
)

Tool = Callable[..., str]


class BatchContract:
    """Columns arrive as the rows they spell, or the error says which did not and why."""

    def test_every_type_in_columns(self, client: RowClient) -> None:
        client.ensure(EVERY_TYPE)
        rows = [FULL, EMPTY, NULLS]
        for number, batch in enumerate(_spellings(rows)):
            renamed = [{**row, "number": number} for row in rows]
            new = batch.set_column(
                batch.schema.get_field_index("number"),
                "number",
                pa.array([number] * len(batch), pa.int32()),
            )
            assert client.write(EVERY_TYPE, new, "insert") == 3, number
            found = {str(r["name"]): r for r in client.scan(EVERY_TYPE, where={"number": number})}
            assert found == {str(row["name"]): row for row in renamed}, number

    def test_slices_of_columns(self, client: RowClient) -> None:
        client.ensure(EVERY_TYPE)
        rows = [
            {
                **FULL,
                "name": f"{i:04d}" + "é" * (i % 3),
                "a_bool": i % 3 == 0,
                "a_string": None if i % 5 == 0 else "s" * (i % 7),
                "a_int8": None if i % 4 == 0 else i % 100,
                "a_timestamp": None if i % 2 else FULL["a_timestamp"],
            }
            for i in range(60)
        ]
        whole = pa.RecordBatch.from_pylist(rows, EVERY_TYPE_COLUMNS)
        for start, length in ((0, 1), (1, 8), (9, 7), (16, 16), (32, 0), (32, 28)):
            assert client.write(EVERY_TYPE, whole.slice(start, length)) == length
        found = {str(row["name"]): row for row in client.scan(EVERY_TYPE)}
        assert found == {str(row["name"]): row for row in rows}

    def test_columns_left_out(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, [{"name": "a", "number": 1, "note": "first"}])
        new = pa.table({"number": pa.array([2, 3]), "name": ["a", "b"]})
        assert client.write(PLAIN, new) == 2
        assert _all(client) == [("a", 2, "first"), ("b", 3, None)]
        client.write(PLAIN, new.append_column("note", pa.nulls(2)))
        assert _all(client) == [("a", 2, None), ("b", 3, None)]

    def test_no_rows_in_columns(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        empty = _plain([])
        assert client.write(PLAIN, empty) == 0
        assert client.write(PLAIN, pa.Table.from_batches([], empty.schema), "insert") == 0
        some = pa.Table.from_batches([empty, _plain(plain_rows(2)), empty])
        assert client.write(PLAIN, some, "insert") == 2
        with pytest.raises(UnknownName, match="numbr"):
            client.write(PLAIN, empty.rename_columns(["name", "numbr", "note"]))

    def test_columns_refused(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, _plain(plain_rows(7)))
        with pytest.raises(RowsRefused) as caught:
            client.write(PLAIN, _plain(plain_rows(2500)), "insert")
        message = str(caught.value)
        assert "refused 7 of 2500 rows (insert into contract_plain)" in message
        assert message.count("row-0000") == 5
        assert "already present" in message
        assert "insert_ignore" in message
        assert len(_all(client)) == 2500

    def test_columns_ignored(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, _plain(plain_rows(3)))
        changed = [{**row, "number": -1} for row in plain_rows(4)]
        assert client.write(PLAIN, _plain(changed), "insert_ignore") == 4
        assert [number for _, number, _ in _all(client)] == [0, 1, 2, -1]
        gone = pa.table({"name": ["row-00001", "never", "row-00003"], "note": ["x", None, "y"]})
        assert client.write(PLAIN, gone, "delete_ignore") == 3
        assert [number for _, number, _ in _all(client)] == [0, 2]

    def test_many_rows_in_columns(
        self, client: RowClient, settings: Settings, kudu_tool: Tool
    ) -> None:
        client.ensure(PLAIN)
        table = pa.concat_tables(
            pa.Table.from_batches([_plain(plain_rows(1700, start))])
            for start in range(0, 8500, 1700)
        )
        assert client.write(PLAIN, table) == 8500
        assert "Total count 8500 " in kudu_tool("table", "scan", settings.table_prefix + PLAIN.name)
        assert sum(int(str(r["number"])) for r in client.scan(PLAIN)) == 8499 * 8500 // 2

    def test_many_bytes_in_columns(self, client: RowClient) -> None:
        client.ensure(MODEL_CHUNKS)
        cells = [bytes([i % 251]) * 65_536 for i in range(900)]
        batch = pa.RecordBatch.from_pydict(
            {
                "data_sha256": pa.array([""] * 900),
                "data": pa.array(cells, pa.large_binary()),
                "chunk": pa.array(range(900), pa.int32()),
                "sha256": pa.array(["s"] * 900).dictionary_encode(),
            }
        )
        assert client.write(MODEL_CHUNKS, batch, "insert_ignore") == 900
        seen = {int(str(r["chunk"])): r["data"] for r in client.scan(MODEL_CHUNKS)}
        assert all(seen[i] == cells[i] for i in range(900))

    def test_columns_for_a_table_that_went(self, client: RowClient, settings: Settings) -> None:
        client.ensure(PLAIN)
        assert client.write(PLAIN, _plain(plain_rows(1))) == 1
        other = open_client(settings)
        other.drop(PLAIN)
        other.close()
        with pytest.raises(StoreError, match=rf"{settings.table_prefix}contract_plain.*ensure"):
            client.write(PLAIN, _plain(plain_rows(2500)))

    @pytest.mark.parametrize(
        ("column", "cells", "error", "message"),
        [
            ("numbr", pa.array([1, 2]), UnknownName, r"'numbr'.*Did you mean 'number'"),
            ("number", None, InputError, r"number is missing in row 0 \(name='a'\)"),
            ("name", None, InputError, r"name is missing in row 0"),
            ("number", pa.array([1, None]), InputError, r"number of row 1 \(name='b'\).*not be nu"),
            ("number", pa.nulls(2), InputError, r"number of row 0 \(name='a'\).*not be null"),
            ("number", pa.array(["1", "2"]), InputError, r"number.*expected.*int64.*string"),
            ("number", pa.array([1.0, 2.0]), InputError, r"number.*expected.*int64.*double"),
            ("number", pa.array([1, 2], pa.int32()), InputError, r"expected.*int64.*int32; cast"),
            ("name", pa.array([b"a", b"b"]), InputError, r"name.*expected.*string.*binary"),
            (
                "name",
                pa.StringArray.from_buffers(
                    2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")
                ),
                InputError,
                r"contract_plain.name.*row 1.*UTF8",
            ),
            (
                "note",
                pa.array(["é" * 32769, "é" * 32768]),
                InputError,
                r"contract_plain.note of row 0 \(name='a'\): 65538 bytes.*65536.*chunk",
            ),
        ],
    )
    def test_bad_column_stops_all(
        self,
        client: RowClient,
        column: str,
        cells: pa.Array | None,
        error: type[Exception],
        message: str,
    ) -> None:
        client.ensure(PLAIN)
        columns = {"name": pa.array(["a", "b"]), "number": pa.array([1, 2]), column: cells}
        given = {name: array for name, array in columns.items() if array is not None}
        with pytest.raises(error, match=message):
            client.write(PLAIN, pa.table(given))
        assert _all(client) == []

    def test_columns_of_moments(self, client: RowClient) -> None:
        client.ensure(EVERY_TYPE)
        key = {"name": pa.array(["a"]), "number": pa.array([1], pa.int32())}
        moments = pa.array([FULL["a_timestamp"]], pa.timestamp("us", "Asia/Kathmandu"))
        assert client.write(EVERY_TYPE, pa.table({**key, "a_timestamp": moments})) == 1
        (row,) = client.scan(EVERY_TYPE, ["a_timestamp"])
        assert row["a_timestamp"] == FULL["a_timestamp"]
        for kind, message in (
            (pa.timestamp("us"), r"a_timestamp.*no time zone.*UTC"),
            (pa.timestamp("ns", "UTC"), r"a_timestamp.*expected.*\[us\].*\[ns"),
        ):
            wrong = pa.table({**key, "a_timestamp": moments.cast(kind)})
            with pytest.raises(InputError, match=message):
                client.write(EVERY_TYPE, wrong)


def _plain(rows: list[dict[str, object]]) -> pa.RecordBatch:
    schema = pa.schema({"name": pa.string(), "number": pa.int64(), "note": pa.string()})
    return pa.RecordBatch.from_pylist(rows, schema)


def _spellings(rows: list[dict[str, object]]) -> list[pa.Table]:
    plain = pa.Table.from_pylist(rows, EVERY_TYPE_COLUMNS)
    large, packed = plain, plain
    for i, field in enumerate(EVERY_TYPE_COLUMNS):
        cells = plain.column(i)
        packed = packed.set_column(i, field.name, cells.dictionary_encode())
        if field.type in (pa.string(), pa.binary()):
            wide = pa.large_string() if field.type == pa.string() else pa.large_binary()
            large = large.set_column(i, field.name, cells.cast(wide))
    chunked = pa.concat_tables([plain.slice(0, 1), plain.slice(1)])
    return [plain, large, packed, chunked]


def _all(client: RowClient) -> list[tuple[object, ...]]:
    rows = [(r["name"], r["number"], r["note"]) for r in client.scan(PLAIN)]
    return sorted(rows, key=lambda row: str(row[0]))

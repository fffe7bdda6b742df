"""Contract of scans by columns, by ranges and in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.conditions import Between
from labelmill.testing.store_contract.samples import (
    EMPTY,
    EVERY_TYPE,
    EVERY_TYPE_COLUMNS,
    FULL,
    MOMENT,
    NULLS,
    PLAIN,
    TYPES,
    earlier,
    plain_rows,
)
from labelmill.testing.store_contract.scans import wait_past

Tool = Callable[..., str]


class TokenContract:
    """Columns, ranges and tokens give the rows that a plain scan gives."""

    def test_columns_are_what_rows_are(self, client: RowClient) -> None:
        client.ensure(EVERY_TYPE)
        rows = [
            {
                **FULL,
                "name": f"{i:04d}" + "\u00e9" * (i % 3),
                "a_bool": None if i % 11 == 0 else i % 3 == 0,
                "a_string": None if i % 5 == 0 else "\u00df" * (i % 7),
                "a_binary": None if i % 7 == 0 else bytes([i % 251]) * (i % 13),
                "a_int8": None if i % 4 == 0 else i % 100 - 50,
                "a_timestamp": None if i % 2 else MOMENT,
            }
            for i in range(700)
        ] + [EMPTY, NULLS]
        client.write(EVERY_TYPE, rows)
        names = ["a_bool", "name", *(n for n in EVERY_TYPE_COLUMNS.names if n != "name")]
        names.remove("a_bool")
        for order in (None, names[::-1]):
            batches = list(client.scan(EVERY_TYPE, order).batches())
            assert all(len(batch) for batch in batches)
            whole = pa.Table.from_batches(batches)
            whole.validate(full=True)
            assert whole.schema.names == list(order or EVERY_TYPE_COLUMNS.names)
            for field in whole.schema:
                assert field.type == EVERY_TYPE_COLUMNS.field(field.name).type, field
            found = sorted(whole.to_pylist(), key=lambda row: str(row["name"]))
            assert found == sorted(rows, key=lambda row: str(row["name"]))

    def test_no_columns_and_no_rows(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        assert list(client.scan(PLAIN).batches()) == []
        client.write(PLAIN, plain_rows(5))
        assert sum(len(batch) for batch in client.scan(PLAIN, []).batches()) == 5
        never = client.scan(PLAIN, where={"number": []})
        assert (list(never.batches()), never.tokens()) == ([], [])
        with pytest.raises(UnknownName, match=r"'nite'.*Did you mean 'note'"):
            client.scan(PLAIN, ["nite"])

    @pytest.mark.parametrize(
        ("where", "numbers"),
        [
            ({"name": Between("row-00001", "row-00003")}, [1, 2]),
            ({"name": Between(low="row-00003")}, [3, 4]),
            ({"name": Between(high="row-00001")}, [0]),
            ({"name": Between("row-00003", "row-00001")}, []),
            ({"number": Between(1, 4), "note": None}, [2]),
            ({"note": Between("note 2", "note 9")}, [3]),
        ],
    )
    def test_ranges(self, client: RowClient, where: dict[str, object], numbers: list[int]) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(5))
        assert sorted(int(str(r["number"])) for r in client.scan(PLAIN, where=where)) == numbers

    @pytest.mark.parametrize("column", [f"a_{t}" for t in TYPES if t != "bool"])
    def test_ranges_of_every_type(self, client: RowClient, column: str) -> None:
        client.ensure(EVERY_TYPE)
        client.write(EVERY_TYPE, [FULL, EMPTY, NULLS])
        low, high = sorted((FULL[column], EMPTY[column]), key=_rank)

        def found(where: Between) -> list[object]:
            return [row[column] for row in client.scan(EVERY_TYPE, [column], {column: where})]

        assert found(Between(low, high)) == [low]
        assert found(Between(low=high)) == [high]
        assert found(Between(high=low)) == []

    @pytest.mark.parametrize(
        ("where", "message"),
        [
            ({"number": Between("1", None)}, r"number.*expected int.*'1'"),
            ({"number": Between()}, r"number.*without low and high.*leave the column out"),
        ],
    )
    def test_ranges_refused(
        self, client: RowClient, where: dict[str, object], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            client.scan(PLAIN, where=where)

    def test_tokens_share_the_rows(self, client: RowClient, settings: Settings) -> None:
        client.ensure(EVERY_TYPE)
        rows: list[dict[str, object]] = [{**NULLS, "name": str(i), "number": i} for i in range(90)]
        client.write(EVERY_TYPE, rows)
        at = earlier(seconds=0) + 1
        wait_past(at)
        client.write(EVERY_TYPE, [{**NULLS, "name": "later", "number": 5}])
        where = {"number": Between(high=80)}
        tokens = client.scan(EVERY_TYPE, ["number"], where, at).tokens()
        assert len(tokens) == settings.buckets
        other = open_client(settings)
        parts = [
            [row["number"] for row in reader.scan(EVERY_TYPE, ["number"], token=token)]
            for reader, token in zip((client, other), tokens, strict=True)
        ]
        assert all(parts)
        assert sorted(int(str(n)) for part in parts for n in part) == list(range(80))
        again = pa.Table.from_batches(
            batch for t in tokens for batch in other.scan(EVERY_TYPE, ["number"], token=t).batches()
        )
        assert sorted(again["number"].to_pylist()) == list(range(80))
        other.close()

    def test_tokens_refused(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(3))
        (token,) = client.scan(PLAIN, ["name", "note"]).tokens()
        with pytest.raises(InputError, match=r"reads name, note; this scan expects note, name"):
            list(client.scan(PLAIN, ["note", "name"], token=token))
        with pytest.raises(InputError, match="5 bytes that are not a scan token"):
            list(client.scan(PLAIN, token=b"never").batches())
        with pytest.raises(InputError, match="carries its own where and snapshot"):
            client.scan(PLAIN, ["name", "note"], {"name": "row-00001"}, token=token)

    def test_columns_left_early(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(50))
        for _ in range(3):
            batches = client.scan(PLAIN).batches()
            assert next(batches)["name"][0].as_py().startswith("row-")
            del batches
        assert sum(len(batch) for batch in client.scan(PLAIN).batches()) == 50


def _rank(value: object) -> Any:
    return value

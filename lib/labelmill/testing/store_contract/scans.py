"""Contract of ``scan``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timezone

import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.testing.store_contract.samples import (
    EMPTY,
    EVERY_TYPE,
    FULL,
    MOMENT,
    NULLS,
    PLAIN,
    TYPES,
    earlier,
    plain_rows,
)

Tool = Callable[..., str]


class ScanContract:
    """Rows come back as they went in, and only those asked for."""

    def test_every_type_comes_back(
        self, client: RowClient, settings: Settings, kudu_tool: Tool
    ) -> None:
        client.ensure(EVERY_TYPE)
        assert client.write(EVERY_TYPE, [FULL, EMPTY, NULLS]) == 3
        found = {str(row["name"]): row for row in client.scan(EVERY_TYPE)}
        assert found == {str(row["name"]): row for row in (FULL, EMPTY, NULLS)}
        for name, value in found[str(FULL["name"])].items():
            assert type(value) is type(FULL[name]), name
        moment = found[str(FULL["name"])]["a_timestamp"]
        assert getattr(moment, "tzinfo", None) is timezone.utc
        output = kudu_tool("table", "scan", settings.table_prefix + EVERY_TYPE.name, "-show_values")
        assert (
            "int64 a_int64=-9223372036854775808, float a_float=0.5, double a_double=0.1" in output
        )
        assert "a_timestamp=2024-02-29T23:59:59.999999Z" in output
        assert output.count("=NULL") == len(TYPES)

    def test_projection(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(2))
        rows = list(client.scan(PLAIN, ["note", "name"]))
        assert sorted(map(str, rows)) == [
            "{'note': 'note 1', 'name': 'row-00001'}",
            "{'note': None, 'name': 'row-00000'}",
        ]
        with pytest.raises(UnknownName, match=r"'nite'.*Did you mean 'note'"):
            list(client.scan(PLAIN, ["nite"]))

    def test_no_columns_count_rows(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(5))
        assert list(client.scan(PLAIN, [])) == [{}] * 5

    @pytest.mark.parametrize(
        ("where", "numbers"),
        [
            ({"name": "row-00003"}, [3]),
            ({"number": 4}, [4]),
            ({"number": [1, 2, 99]}, [1, 2]),
            ({"name": ("row-00001", "row-00002"), "number": 2}, [2]),
            ({"number": []}, []),
            ({"note": None}, [0, 2, 4]),
            ({"note": "note 3"}, [3]),
            ({"note": "note 3", "number": 1}, []),
            ({}, [0, 1, 2, 3, 4]),
        ],
    )
    def test_where(self, client: RowClient, where: dict[str, object], numbers: list[int]) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(5))
        assert sorted(int(str(r["number"])) for r in client.scan(PLAIN, where=where)) == numbers

    @pytest.mark.parametrize("column", [f"a_{t}" for t in TYPES])
    def test_where_on_every_type(self, client: RowClient, column: str) -> None:
        client.ensure(EVERY_TYPE)
        client.write(EVERY_TYPE, [FULL, EMPTY, NULLS])
        for row in (FULL, EMPTY, NULLS):
            found = [r["name"] for r in client.scan(EVERY_TYPE, ["name"], {column: row[column]})]
            assert found == [row["name"]]

    def test_where_of_another_type(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        with pytest.raises(InputError, match=r"contract_plain.number.*expected int.*'4'"):
            list(client.scan(PLAIN, where={"number": "4"}))
        with pytest.raises(UnknownName, match="numbre"):
            list(client.scan(PLAIN, where={"numbre": 4}))

    def test_snapshot_is_repeatable(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(5))
        at = earlier(seconds=0) + 1
        wait_past(at)
        client.write(PLAIN, plain_rows(5, start=100))
        client.write(PLAIN, [{"name": "row-00000", "number": -1}])
        client.write(PLAIN, [{"name": "row-00001"}], "delete_ignore")
        for _ in range(2):
            numbers = sorted(int(str(r["number"])) for r in client.scan(PLAIN, snapshot_ms=at))
            assert numbers == [0, 1, 2, 3, 4]
        assert len(list(client.scan(PLAIN))) == 9

    def test_left_early(self, client: RowClient) -> None:
        client.ensure(PLAIN)
        client.write(PLAIN, plain_rows(50))
        for _ in range(3):
            rows = client.scan(PLAIN)
            assert str(next(rows)["name"]).startswith("row-")
            del rows
        assert len(list(client.scan(PLAIN))) == 50

    def test_moments_in_other_zones(self, client: RowClient) -> None:
        from datetime import timedelta

        client.ensure(EVERY_TYPE)
        there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=45)))
        client.write(EVERY_TYPE, [{"name": "z", "number": 1, "a_timestamp": there}])
        (row,) = client.scan(EVERY_TYPE, ["a_timestamp"])
        assert row["a_timestamp"] == MOMENT
        assert str(row["a_timestamp"]).endswith("+00:00")


def wait_past(snapshot_ms: int) -> None:
    """Waits until a moment is over."""
    deadline = time.monotonic() + 5
    while earlier(seconds=0) <= snapshot_ms:
        assert time.monotonic() < deadline

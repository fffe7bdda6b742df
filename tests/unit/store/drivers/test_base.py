"""What row drivers share, over a Kudu that is a dict."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from labelmill.errors import InputError, SchemaMismatch, StoreError
from labelmill.settings import Settings
from labelmill.store.client import Operation
from labelmill.store.drivers.base import BaseClient, replicas_for
from labelmill.store.drivers.schema_check import Described
from labelmill.store.scans import Request
from labelmill.store.schema.tables import SCHEMA_VERSIONS
from labelmill.store.schema.types import Table
from labelmill.testing.store_contract.samples import PLAIN, plain_rows


class DictClient(BaseClient):
    """A driver whose Kudu is ``{full name: (table, rows)}``."""

    def __init__(self, settings: Settings, servers: int = 1) -> None:
        super().__init__(settings)
        self._client = {}
        self.servers, self.replicas, self.opened = servers, -1, 0
        self.doing: list[str] = []

    @property
    def kudu(self) -> dict[str, tuple[Table, list[dict[str, object]]]]:
        """What is stored."""
        return self._client  # type: ignore[no-any-return]

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        self.doing.append(doing)
        return contextlib.nullcontext()

    def _exists(self, client: Any, name: str) -> bool:
        return name in client

    def _server_count(self, client: Any) -> int:
        return self.servers

    def _create(self, client: Any, table: Table, name: str, replicas: int) -> None:
        client[name], self.replicas = (table, []), replicas

    def _open_table(self, client: Any, name: str) -> Any:
        self.opened += 1
        return client[name]

    def _describe(self, handle: Any) -> list[Described]:
        return [(c.name, c.type, c.key, c.nullable) for c in handle[0].columns]

    def _list_names(self, client: Any, prefix: str) -> list[str]:
        return [name for name in client if prefix in name]

    def _delete(self, client: Any, name: str) -> None:
        del client[name]

    def _disconnect(self, client: Any) -> None:
        self.doing.append("disconnecting")

    def _plan(self, request: Request) -> list[bytes]:
        return [b"token"]

    def _batches(self, request: Request) -> Iterator[Any]:
        yield self._handle(request.table)[1]

    def _dicts(self, request: Request, batch: Any) -> Iterator[dict[str, object]]:
        names = [column.name for column in request.columns]
        yield from ({name: row.get(name) for name in names} for row in batch)

    def _arrow(self, request: Request, batch: Any) -> Iterator[Any]:
        raise AssertionError("these tests read rows as dicts")

    def _send(self, handle: Any, table: Table, ready: Any, operation: Operation) -> int:
        if operation == "delete_ignore":
            keys = [{name: row[name] for name in table.key} for row in ready]
            handle[1][:] = [row for row in handle[1] if {k: row[k] for k in table.key} not in keys]
        else:
            handle[1].extend(ready)
        return len(ready)


@pytest.fixture
def client() -> DictClient:
    return DictClient(Settings(table_prefix="mine_", kudu_masters="here:7051"))


def test_names_are_prefixed_and_versions_recorded(client: DictClient) -> None:
    client.ensure(PLAIN)
    assert set(client.kudu) == {f"mine_{PLAIN.name}", f"mine_{SCHEMA_VERSIONS.name}"}
    (row,) = client.kudu[f"mine_{SCHEMA_VERSIONS.name}"][1]
    assert (row["table_name"], row["version"]) == (PLAIN.name, PLAIN.version)
    client.kudu["other_mine_table"] = (PLAIN, [])
    assert client.names() == sorted([f"mine_{PLAIN.name}", f"mine_{SCHEMA_VERSIONS.name}"])


def test_other_version_is_refused(client: DictClient) -> None:
    client.ensure(PLAIN)
    client.kudu[f"mine_{SCHEMA_VERSIONS.name}"][1][0]["version"] = 99
    client._ensured.clear()
    with pytest.raises(SchemaMismatch, match="schema version 99"):
        client.ensure(PLAIN)


def test_nothing_is_sent_unless_all_rows_are_valid(client: DictClient) -> None:
    client.ensure(PLAIN)
    rows = plain_rows(3)
    with pytest.raises(InputError, match="row 2"):
        client.write(PLAIN, [*rows[:2], {**rows[2], "number": "three"}])
    assert client.kudu[f"mine_{PLAIN.name}"][1] == []
    assert client.write(PLAIN, []) == 0
    assert client.write(PLAIN, rows) == 3
    assert [row["name"] for row in client.scan(PLAIN, ["name"])] == [row["name"] for row in rows]


def test_handle_is_opened_once_until_the_table_is_dropped(client: DictClient) -> None:
    client.ensure(PLAIN)
    client.write(PLAIN, plain_rows(2))
    opened = client.opened
    assert len(list(client.scan(PLAIN))) == 2
    assert client.opened == opened
    client.drop(PLAIN)
    assert client.kudu[f"mine_{SCHEMA_VERSIONS.name}"][1] == []
    client.drop(PLAIN)  # one that is not there is fine
    client.ensure(PLAIN)
    assert list(client.scan(PLAIN)) == []


def test_token_is_not_planned_again(client: DictClient) -> None:
    assert client.scan(PLAIN).tokens() == [b"token"]
    assert client.scan(PLAIN, token=b"other").tokens() == [b"other"]


def test_closed_client_says_so(client: DictClient) -> None:
    client.ensure(PLAIN)
    client.close()
    client.close()
    assert client.doing.count("disconnecting") == 1
    for use in (lambda: client.write(PLAIN, plain_rows(1)), lambda: list(client.scan(PLAIN))):
        with pytest.raises(
            StoreError, match=f"is closed; open another one to use table mine_{PLAIN.name}"
        ):
            use()
    with pytest.raises(StoreError, match="is closed"):
        client.names()


@pytest.mark.parametrize(
    ("servers", "setting", "replicas"), [(1, 0, 1), (2, 0, 1), (3, 0, 3), (5, 0, 3), (3, 1, 1)]
)
def test_replicas(servers: int, setting: int, replicas: int) -> None:
    client = DictClient(Settings(kudu_masters="here:7051", replicas=setting), servers)
    client.ensure(PLAIN)
    assert client.replicas == replicas
    assert setting or replicas_for(servers) == replicas

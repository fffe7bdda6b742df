"""What the driver over kudu-python says of its client's errors; a stand-in for the module, no Kudu."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from labelmill.errors import InputError, RowsRefused, StoreError, StoreUnreachable
from labelmill.store.client import Operation
from labelmill.store.drivers.native import scan, write
from labelmill.store.drivers.native.errors import kudu_errors, text_of
from labelmill.store.scans import request_of
from labelmill.store.schema.tables import ALIASES


class KuduException(Exception):
    """kudu-python keeps the status as bytes."""


class KuduNotFound(KuduException):
    pass


class KuduInvalidArgument(KuduException):
    pass


@pytest.fixture(autouse=True)
def kudu(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("kudu")
    for kind in (KuduException, KuduNotFound, KuduInvalidArgument):
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "kudu", module)
    return module


class RowError:
    """An error of one row, as ``get_pending_errors`` returns it."""

    def __init__(self, status: bytes) -> None:
        self._status = status

    def __repr__(self) -> str:
        return f"KuduError('{self._status!r}')"

    def failed_op(self) -> str:
        return "UPSERT x"


class Session:
    def __init__(self, *statuses: bytes) -> None:
        self._errors = [RowError(status) for status in statuses]

    def apply(self, operation: object) -> None:
        pass

    def flush(self) -> None:
        if self._errors:
            raise KuduException(b"IO error: failed to flush data")

    def get_pending_errors(self) -> tuple[list[RowError], bool]:
        return self._errors, False


class Handle:
    def __getattr__(self, name: str) -> Any:
        return lambda row: row


ROW = {"model": "m", "alias": "a", "version": 1}


def send(*statuses: bytes, operation: Operation = "upsert") -> int:
    with kudu_errors("writing to table t", "kudu:7051", 30.0):
        return write.write(Session(*statuses), Handle(), ALIASES, [ROW], operation)
    raise AssertionError


def test_a_table_that_went_is_named_with_the_way_out() -> None:
    with pytest.raises(StoreError, match="ensure") as raised:
        send(b"Not found: the table was deleted: Table deleted at 2026-12-01")
    assert not isinstance(raised.value, RowsRefused)
    assert "b'" not in str(raised.value)
    with pytest.raises(StoreError, match="ensure"):
        send(b"Not found: table t does not exist", operation="delete_ignore")


def test_rows_that_are_refused_are_told_without_literals_of_bytes() -> None:
    with pytest.raises(RowsRefused) as raised:
        send(b"Already present: key already present", operation="insert")
    assert "b'" not in str(raised.value)
    assert send(b"Not found: key not found", operation="delete_ignore") == 1


@pytest.mark.parametrize(
    "error",
    [
        KuduInvalidArgument(b"Invalid argument: unable to parse"),
        KuduException(b"Corruption: unable to parse scan token"),
        KuduException(b"Illegal state: no such column"),
        ValueError("bad"),
    ],
)
def test_a_damaged_token_is_an_input_error(error: Exception) -> None:
    class Client:
        def deserialize_token_into_scanner(self, token: bytes) -> None:
            raise error

    request = request_of(ALIASES, None, None, None, b"damaged")
    assert request is not None
    with (
        pytest.raises(InputError, match="7 bytes that are not a scan token") as raised,
        kudu_errors("scanning table t", "kudu:7051", 30.0),
    ):
        list(scan.batches(Client(), b"damaged", request))
    assert "b'" not in str(raised.value)


def test_no_answer_is_no_damage() -> None:
    class Client:
        def deserialize_token_into_scanner(self, token: bytes) -> None:
            raise KuduException(b"Timed out: no answer")

    request = request_of(ALIASES, None, None, None, b"token")
    assert request is not None
    with pytest.raises(StoreUnreachable), kudu_errors("scanning table t", "kudu:7051", 30.0):
        list(scan.batches(Client(), b"token", request))


def test_words_of_kudu_are_text() -> None:
    assert text_of(KuduException(b"IO error: \xff")) == "IO error: \ufffd"
    assert text_of(KuduException("x", b"it's 'so'")) == """('x', it's 'so')"""
    assert text_of(RowError(b"Not found: x")).count("b'") == 0

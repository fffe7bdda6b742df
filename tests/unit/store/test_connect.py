"""Which driver is chosen, and what it says when its parts are missing."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from labelmill.errors import StoreError
from labelmill.settings import load
from labelmill.store import connect
from labelmill.store.drivers.native import client as native


def test_native_without_its_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kudu", None)
    with pytest.raises(StoreError, match=r"kudu-python cannot be used.*labelmill\[kudu-python\]"):
        connect.open_client(load(kudu_masters="127.0.0.1:1", row_driver="native"))


def test_another_module_of_that_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kudu", ModuleType("kudu"))
    assert "another one" in native.missing()


def test_native_is_chosen_when_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("kudu")
    stand_in.connect = lambda **_: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kudu", stand_in)
    assert connect._opener(load()) is native.NativeClient
    assert connect._opener(load(row_driver="java")) is not native.NativeClient

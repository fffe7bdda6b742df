"""The row driver over kudu-python, where it can be imported."""

from __future__ import annotations

import pytest

from labelmill.store.drivers.native import client as native
from labelmill.testing.store_contract import StoreContract

if native.missing():
    pytest.skip(f"kudu-python cannot be used: {native.missing()}", allow_module_level=True)


class TestNative(StoreContract):
    driver = "native"

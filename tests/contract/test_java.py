"""The row driver over Kudu's Java client."""

from __future__ import annotations

from labelmill.testing.store_contract import StoreContract


class TestJava(StoreContract):
    driver = "java"

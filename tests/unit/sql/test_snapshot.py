"""The moment at which a slice is read, on a machine whose clock moves."""

from __future__ import annotations

import logging
import time

import pytest

from labelmill.errors import InputError
from labelmill.sql import snapshot


def test_a_clock_that_was_set_back_is_told_and_not_waited_for() -> None:
    at = round(1000 * (time.time() + 3600))
    with pytest.raises(InputError, match="set back"):
        snapshot.wait_for_snapshot(at)


def test_a_longer_wait_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(snapshot, "SETTLE_SECONDS", 0.0)
    with caplog.at_level(logging.WARNING):
        snapshot.wait_for_snapshot(round(1000 * (time.time() + 0.2)))
    assert "waiting" in caplog.text
    caplog.clear()
    snapshot.wait_for_snapshot(round(1000 * time.time()) - 10)
    assert not caplog.text

"""The moment at which a slice is read, on a machine whose clock moves."""

from __future__ import annotations

import logging
import time

import pytest

from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.sql import snapshot

HERE = Settings(kudu_masters="127.0.0.1:7051")


def test_a_clock_that_was_set_back_is_told_and_not_waited_for() -> None:
    at = round(1000 * (time.time() + 3600))
    with pytest.raises(InputError, match="set back"):
        snapshot.wait_for_snapshot(at, HERE)


def test_a_longer_wait_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(snapshot, "ONE_CLOCK_SECONDS", 0.0)
    with caplog.at_level(logging.WARNING):
        snapshot.wait_for_snapshot(round(1000 * (time.time() + 0.2)), HERE)
    assert "waiting" in caplog.text
    caplog.clear()
    snapshot.wait_for_snapshot(round(1000 * time.time()) - 10, HERE)
    assert not caplog.text


@pytest.mark.parametrize(
    ("masters", "seconds"),
    [
        ("127.0.0.1:7051", snapshot.ONE_CLOCK_SECONDS),
        ("localhost:7051,127.0.0.2:7151,[::1]:7251", snapshot.ONE_CLOCK_SECONDS),
        ("kudu-1:7051,kudu-2:7051", snapshot.SETTLE_SECONDS),
        ("10.0.0.7:7051", snapshot.SETTLE_SECONDS),
        ("127.0.0.1:7051,10.0.0.7:7051", snapshot.SETTLE_SECONDS),
        ("localhost.example.com:7051", snapshot.SETTLE_SECONDS),
    ],
)
def test_only_other_machines_clocks_are_waited_for(masters: str, seconds: float) -> None:
    assert snapshot.settle_seconds(Settings(kudu_masters=masters)) == seconds

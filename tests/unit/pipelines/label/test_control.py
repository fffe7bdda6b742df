"""When a stream ends, decided over a fake query that only reports its status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labelmill.pipelines.label import control
from labelmill.pipelines.label.control import Stop, follow
from labelmill.signals import Terminated

WAITING = {
    "message": "Waiting for data to arrive",
    "isDataAvailable": False,
    "isTriggerActive": False,
}
POLLING = {
    **WAITING,
    "message": "Getting offsets from KafkaV2[Subscribe[t]]",
    "isTriggerActive": True,
}
BATCH = {"message": "Processing new data", "isDataAvailable": True, "isTriggerActive": True}


class Query:
    """A query that goes through statuses, one per look; then it has ended."""

    def __init__(
        self, *statuses: dict[str, Any], on_look: Callable[[int], None] = lambda n: None
    ) -> None:
        self._statuses, self._on_look = list(statuses), on_look
        self.looks, self.stopped = 0, False

    @property
    def isActive(self) -> bool:
        return self.looks < len(self._statuses) and not self.stopped

    @property
    def status(self) -> dict[str, Any]:
        self._on_look(self.looks)
        self.looks += 1
        return self._statuses[self.looks - 1]

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a look moves by one second; nobody sleeps."""
    clock = [0.0]

    def tick() -> float:
        clock[0] += 1
        return clock[0]

    monkeypatch.setattr(control.time, "monotonic", tick)
    monkeypatch.setattr(control.time, "sleep", lambda _: None)
    monkeypatch.setattr(Stop, "wait", lambda self, _: self.asked)
    return clock


def followed(
    query: Query, stop: Stop, drained: Callable[[], bool] | None, idle: float = 2.0
) -> bool:
    return follow(query, stop, drained, idle)  # type: ignore[arg-type]


def test_without_a_request_it_runs_until_it_ends_by_itself() -> None:
    query = Query(WAITING, BATCH, WAITING, BATCH)
    assert followed(query, Stop(), None) is False
    assert query.looks == 4


def test_a_request_waits_for_the_batch_in_flight() -> None:
    stop = Stop()
    query = Query(
        BATCH, BATCH, BATCH, WAITING, WAITING, on_look=lambda n: stop.ask() if n == 1 else None
    )
    assert followed(query, stop, None) is True
    assert (query.stopped, query.looks) == (True, 4), "not while the batch was running"


def test_a_second_request_is_urgent_but_a_closed_terminal_is_not() -> None:
    stop = Stop()
    stop.ask_once()
    stop.ask_once()
    assert (stop.asked, stop.urgent) == (True, False)
    stop.ask()
    assert stop.urgent
    with pytest.raises(Terminated):
        followed(Query(BATCH), stop, None)


def test_a_drained_stream_ends_only_when_nothing_came_for_long_enough() -> None:
    query = Query(*[WAITING] * 20)
    assert followed(query, Stop(), lambda: True) is True
    assert query.looks < 20
    restless = Query(*[WAITING, BATCH] * 10)
    assert followed(restless, Stop(), lambda: True, idle=5.0) is False, "it never was quiet"
    seen = Query(*[WAITING] * 20)
    assert followed(seen, Stop(), lambda: False) is False, "too few messages were seen"


def test_polling_the_topic_is_as_quiet_as_waiting_once_it_waited() -> None:
    query = Query(*[POLLING] * 9)
    stop = Stop()
    assert followed(query, stop, lambda: True) is False
    assert not stop.closing, "it has not waited yet: its first batch may come"
    query = Query(WAITING, *[POLLING] * 8, WAITING, WAITING)
    assert followed(query, stop, lambda: True) is True
    assert (stop.closing, stop.asked) == (True, False)

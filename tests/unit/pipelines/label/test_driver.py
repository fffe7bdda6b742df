"""What ended a stream becomes an error with an exit code."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.errors import ArtifactError, BusError, StoreUnreachable
from labelmill.pipelines.label import micro_batch
from labelmill.pipelines.label.control import Stop
from labelmill.pipelines.label.driver import raise_failure
from labelmill.pipelines.label.micro_batch import MicroBatch
from labelmill.pipelines.label.plan import StreamPlan

PLAN = StreamPlan("t", "t-labelled", "t-dead", "m", "production", "q", "file:///checkpoint")


@pytest.mark.parametrize("failure", [None, RuntimeError("labelmill.….StopRequested\n\tat py4j")])
def test_a_stop_is_no_failure(failure: BaseException | None) -> None:
    raise_failure(failure, PLAN)


def test_an_error_of_ours_stays_what_it_is() -> None:
    failure = StoreUnreachable("no master answered")
    with pytest.raises(StoreUnreachable) as caught:
        raise_failure(failure, PLAN)
    assert caught.value is failure
    with pytest.raises(ZeroDivisionError):
        raise_failure(ZeroDivisionError("x"), PLAN)


@pytest.mark.parametrize("text", ["set failOnDataLoss to false", "Some data may have been lost"])
def test_messages_that_are_gone(text: str) -> None:
    with pytest.raises(BusError, match=r"gone from topic t .*another --query and --checkpoint"):
        raise_failure(RuntimeError(text), PLAN)


def test_a_models_failure_in_a_python_worker() -> None:
    text = (
        "Job aborted\nTraceback (most recent call last):\n  File x\n"
        "labelmill.errors.ArtifactError: first\n"
        "labelmill.errors.ArtifactError: the graph refuses (5, 5, 1)\n\nDriver stacktrace:"
    )
    with pytest.raises(ArtifactError) as caught:
        raise_failure(RuntimeError(text), PLAN)
    assert str(caught.value) == "the graph refuses (5, 5, 1)"


def test_garbage_is_collected_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[int] = []
    nothing: Any = None
    batch = MicroBatch(nothing, nothing, nothing, nothing, (0, 0, 0), nothing, Stop(), lambda: None)
    monkeypatch.setattr(batch, "_label", lambda messages, number: None)
    monkeypatch.setattr(micro_batch.gc, "collect", lambda: collected.append(1))
    for number in range(1, 2 * micro_batch.COLLECT_EVERY + 1):
        batch(nothing, number)
    assert len(collected) == 2

"""Versions are one sweep's alone, and the newest sweep's come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from labelmill.pipelines.evaluate.candidates import select_candidates
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.records.reservations import reserve
from labelmill.store.schema.tables import MODELS, SWEEPS, TRIALS
from labelmill.store.schema.types import Table

NOW = datetime.now(timezone.utc)


class Overtaken:
    """A client that another sweep overtakes between its look and its write."""

    def __init__(self, client: RowClient, sweep_id: str, count: int) -> None:
        self._client, self._other = client, (sweep_id, count)
        self.reserved: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def write(self, table: Table, rows: Iterable[Mapping[str, object]], operation: Any) -> int:
        if self.reserved is None:
            self.reserved = reserve(self._client, "digits", *self._other)
        return self._client.write(table, rows, operation)


def test_of_two_sweeps_at_once_each_gets_its_own(client: RowClient) -> None:
    overtaken: Any = Overtaken(client, "a", 5)
    assert reserve(overtaken, "digits", "b", 3) == 6
    assert overtaken.reserved == 1
    assert models.next_version(client, "digits") == 9
    assert reserve(client, "digits", "a", 5) == 1, "the same when asked again"
    assert reserve(client, "digits", "b", 3) == 6
    assert reserve(client, "other", "c", 2) == 1
    twice: Any = Overtaken(client, "d", 4)
    assert reserve(twice, "digits", "d", 4) == 9, "two runs of one sweep share its versions"


def test_sweeps_are_not_mixed_in_the_ranking(client: RowClient) -> None:
    for table in (MODELS, SWEEPS, TRIALS):
        client.ensure(table)
    _sweep(client, "losses", 1, "minimize", [0.9, 0.2])
    _sweep(client, "accuracies", 3, "maximize", [0.5, 0.7])
    _model(client, 5)
    assert [c.version for c in sorted(select_candidates(client, "digits", "all"), key=lambda c: c.rank)] == [
        4, 3, 2, 1, 5,
    ]  # fmt: skip
    assert [c.version for c in select_candidates(client, "digits", "best:3")] == [2, 3, 4]


def _model(client: RowClient, version: int) -> None:
    row = dict.fromkeys(("family", "parameters", "preparation", "classes", "training_set"), "x")
    times = {"sha256": "0", "bytes": 1, "chunks": 1, "created_at": NOW}
    client.write(MODELS, [{**row, **times, "model": "digits", "version": version}])


def _sweep(client: RowClient, name: str, first: int, goal: str, metrics: list[float]) -> None:
    key = {"sweep_id": name, "model": "digits"}
    sweep = {"name": name, "training_set": name, "first_version": first, "trials": len(metrics)}
    plan = f'{{"objective": {{"goal": "{goal}"}}}}'
    client.write(SWEEPS, [{**key, **sweep, "plan": plan, "state": "done", "created_at": NOW}])
    for number, metric in enumerate(metrics):
        _model(client, first + number)
        trial = {"trial_id": f"{number}", "number": number, "setting": "{}", "state": "done"}
        result = {"metric": metric, "version": first + number, "finished_at": NOW}
        client.write(TRIALS, [{**key, **trial, **result}])

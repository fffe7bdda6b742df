"""Versions, micro-batches and sweeps leave a real Kudu, by the command; a kill harms nothing there either."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from labelmill.domain.retention import Rule
from labelmill.retention.plan import plan_prune
from labelmill.retention.removal import prune
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import LABELS, MODEL_CHUNKS, MODELS, STREAM_BATCHES, SWEEPS
from tests.helpers.old_catalogues import NOW, broken, sha_of, write_catalogue

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command_shows_asks_and_removes(labelmill: Command, client: RowClient) -> None:
    write_catalogue(client)
    dry = labelmill("prune", "--older-than", "30", "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    rows = [json.loads(line) for line in dry.stdout.splitlines()]
    assert [(row["kind"], row["what"], row["rows"]) for row in rows] == [
        ("sweep, abandoned", "killed", 1),
        ("micro-batches", "q: 150 of 250", 150),
        *(("version", f"m {version}", 1) for version in (1, 3, 7, 8)),
        ("labels", "of gone 1", 2),
        *(("labels", f"of m {version}", 2) for version in (1, 3, 7, 8)),
        ("metrics", "of trials that failed", 1),
    ]
    assert "kept: version 4 of m, used by alias production" in dry.stderr
    assert "kept: version 2 of m, used by version 4, which was trained from it" in dry.stderr
    assert labelmill("prune", "--older-than", "30").returncode == 2, "it asks first"
    assert labelmill("prune", "model", "--keep", "1").returncode == 2
    assert sorted(row["version"] for row in client.scan(MODELS)) == list(range(1, 10))  # type: ignore[type-var]

    done = labelmill("prune", "--older-than", "30", "--yes")
    assert done.returncode == 0, done.stderr
    assert "removed: 150 micro-batches of stream q" in done.stderr
    assert sorted(row["version"] for row in client.scan(MODELS)) == [2, 4, 5, 6, 9]  # type: ignore[type-var]
    assert {row["version"] for row in client.scan(LABELS)} == {2, 4, 5, 6, 9}
    assert sorted(row["batch_id"] for row in client.scan(STREAM_BATCHES)) == list(range(150, 250))  # type: ignore[type-var]
    assert {row["state"] for row in client.scan(SWEEPS)} == {"running", "abandoned"}
    # Chunks without a version are younger than an hour: a publish may be under way.
    assert sha_of("left") in {row["sha256"] for row in client.scan(MODEL_CHUNKS)}
    assert broken(client) == []
    assert models.next_version(client, "m") == 10
    assert labelmill("prune", "--older-than", "30", "--yes").stdout == "none\n"


class _Killed(BaseException):
    """In place of SIGKILL."""


def test_killed_and_run_again(client: RowClient, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(client)
    rule, write, left = Rule(older_than_days=30), client.write, [0]

    def mortal(*arguments: Any) -> int:
        if not left[0]:
            raise _Killed
        left[0] -= 1
        return write(*arguments)

    monkeypatch.setattr(client, "write", mortal)
    kills = 0
    while True:  # each run gets three writes further than the last
        left[0] = 3
        try:
            list(prune(client, plan_prune(client, rule, NOW, ("sweeps", "micro-batches", "versions")), rule))  # fmt: skip
            break
        except _Killed:
            kills += 1
            assert broken(client) == []
    assert kills > 5
    assert sorted(row["version"] for row in client.scan(MODELS)) == [2, 4, 5, 6, 9]  # type: ignore[type-var]

"""``labelmill models`` as people call it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import MODEL_CHUNKS, TRIALS
from tests.helpers.streams import StreamFixture


def test_versions_and_aliases(
    labelmill: Callable[..., subprocess.CompletedProcess[str]],
    settings: Settings,
    client: RowClient,
    tmp_path: Path,
) -> None:
    StreamFixture.make(settings, client, tmp_path)

    listed = [
        json.loads(line) for line in labelmill("models", "list", "--json").stdout.splitlines()
    ]
    assert [(row["version"], row["aliases"]) for row in listed] == [(1, "production"), (2, "")]
    assert (
        labelmill("models", "alias", "small", "production", "2").stdout == "small production → 2\n"
    )
    shown = json.loads(labelmill("models", "show", "small", "2", "--json").stdout)
    assert (shown["aliases"], shown["verified"]) == (["production"], True)

    row = models.header_of(client, "small", 1)
    assert row is not None
    client.write(MODEL_CHUNKS, [{"sha256": row["sha256"], "chunk": 0}], "delete_ignore")
    refused = labelmill("models", "alias", "small", "production", "1")
    assert refused.returncode == 6, "what cannot be served does not become production"
    assert "chunk 0" in refused.stderr
    # The same sweep file on a newer training set: the same trial ids, other versions.
    client.ensure(TRIALS)
    for sweep, version, metric in (("old", 1, 0.5), ("new", 2, 0.75)):
        client.write(TRIALS, [{
            "sweep_id": sweep, "trial_id": "t", "number": 0, "setting": "{}", "state": "done",
            "metric": metric, "model": "small", "version": version,
            "finished_at": datetime.now(timezone.utc),
        }])  # fmt: skip
    listed = [
        json.loads(line) for line in labelmill("models", "list", "--json").stdout.splitlines()
    ]
    assert [(row["version"], row["metric"]) for row in listed] == [(1, 0.5), (2, 0.75)]

    unknown = labelmill("models", "list", "smal")
    assert unknown.returncode == 4
    assert "small" in unknown.stderr


@pytest.mark.parametrize("words", [["alias", "small"], ["nonsense"]])
def test_misuse_shows_the_usage(words: list[str]) -> None:
    command = [sys.executable, "-m", "labelmill.cli.main", "models", *words]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 2

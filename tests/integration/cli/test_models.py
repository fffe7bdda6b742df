"""``labelmill models`` as people call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import MODEL_CHUNKS
from tests.conftest import Servers, environment_for
from tests.helpers.streams import StreamFixture


def test_versions_and_aliases(
    settings: Settings, client: RowClient, cluster: Servers, tmp_path: Path
) -> None:
    StreamFixture.make(settings, client, tmp_path)

    def labelmill(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "labelmill.cli.main", "models", *words]
        environment = environment_for(cluster, settings)
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)

    listed = [json.loads(line) for line in labelmill("list", "--json").stdout.splitlines()]
    assert [(row["version"], row["aliases"]) for row in listed] == [(1, "production"), (2, "")]
    assert labelmill("alias", "small", "production", "2").stdout == "small production → 2\n"
    shown = json.loads(labelmill("show", "small", "2", "--json").stdout)
    assert (shown["aliases"], shown["verified"]) == (["production"], True)

    row = models.header_of(client, "small", 1)
    assert row is not None
    client.write(MODEL_CHUNKS, [{"sha256": row["sha256"], "chunk": 0}], "delete_ignore")
    refused = labelmill("alias", "small", "production", "1")
    assert refused.returncode == 6, "what cannot be served does not become production"
    assert "chunk 0" in refused.stderr
    unknown = labelmill("list", "smal")
    assert unknown.returncode == 4
    assert "small" in unknown.stderr


@pytest.mark.parametrize("words", [["alias", "small"], ["nonsense"]])
def test_misuse_is_told_by_usage(words: list[str]) -> None:
    command = [sys.executable, "-m", "labelmill.cli.main", "models", *words]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 2

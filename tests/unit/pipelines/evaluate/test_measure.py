"""How many versions are in memory at a time."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.pipelines.evaluate import measure as module
from labelmill.pipelines.evaluate.measure import VERSIONS_AT_ONCE, measure
from labelmill.store.records import models
from tests.helpers.memory_client import memory_client
from tests.helpers.small_models import small_artifact


@pytest.mark.parametrize(
    ("most_bytes", "passes"), [(1 << 30, [VERSIONS_AT_ONCE] * 2 + [6]), (1, [1] * 70)]
)
def test_versions_are_loaded_by_passes(
    monkeypatch: pytest.MonkeyPatch, most_bytes: int, passes: list[int]
) -> None:
    client, artifact = memory_client(), small_artifact(1)
    for version in range(1, 71):
        models.publish(client, "m", version, artifact, "d", None)
    loaded: list[int] = []
    load = module.load_checked
    monkeypatch.setattr(module, "BYTES_AT_ONCE", most_bytes)
    monkeypatch.setattr(
        module, "load_checked", lambda *of: loaded.append(of[2]) or load(*of)
    )  # fmt: skip
    monkeypatch.setattr(module, "_one_pass", lambda rows, versions, serving: versions)
    sizes, ahead = [], []
    versions = range(1, 71)
    nothing: Any = None
    for part in measure(client, "m", nothing, versions, None):
        sizes.append(len(part))
        ahead.append(len(loaded) - sum(sizes))
    assert sizes == passes
    assert loaded == list(versions)
    assert max(ahead) <= 1, "the next pass is not loaded before this one is over"

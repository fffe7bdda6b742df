"""Texts above a cell in the real store."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from labelmill.domain.models.metrics import evaluate
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.errors import StoreError
from labelmill.pipelines.evaluate import stored
from labelmill.pipelines.evaluate.candidates import Candidate
from labelmill.pipelines.evaluate.verdicts import AcceptanceRule, judge
from labelmill.pipelines.train.record import SweepRecord
from labelmill.store.client import RowClient
from labelmill.store.records import models, texts
from labelmill.store.schema.tables import EVALUATIONS, MODELS, SWEEPS, TEXT_PARTS


def test_ten_thousand_classes_and_settings(client: RowClient) -> None:
    plan = SweepPlan.parse({
        "name": "s", "model": "m", "fixed": {"family": "softmax"},
        "vary": {"learning_rate": [0.1, 0.2], "seed": list(range(5_000))},
    })  # fmt: skip
    record = SweepRecord.open(client, plan, "d")
    record.write_state("done")
    (row,) = texts.read(client, SWEEPS)
    assert row["plan"] == plan.to_json()
    assert len(str(row["plan"])) > 1_000_000

    client.ensure(EVALUATIONS)
    names = [f"клас {n}" for n in range(10_000)]
    judged = judge(
        Candidate(1), evaluate(names, names[::-1], names), None, AcceptanceRule(1.0, "any")
    )
    stored.write_evaluation(client, "m", "d", "select 1", 1.0, judged)
    assert stored.read_evaluations(client, "m", "d", range(9))[1].to_dict() == judged[1].to_dict()

    sha256 = sorted(texts.referenced(client))[0]
    client.write(TEXT_PARTS, [{"sha256": sha256, "part": 1}], "delete_ignore")

    def read_all() -> None:
        list(texts.read(client, SWEEPS))
        list(texts.read(client, EVALUATIONS))

    with pytest.raises(StoreError, match="parts are stored, and together they are not the text"):
        read_all()


def test_a_row_of_a_release_without_parts_is_read(client: RowClient) -> None:
    client.ensure(MODELS)
    client.write(MODELS, [{
        "model": "m", "version": 1, "family": "mlp", "parameters": "{}", "preparation": "[]",
        "classes": '["' + "x" * 60_000 + '"]', "training_set": "d", "sha256": "s", "bytes": 1,
        "chunks": 1, "created_at": datetime.now(timezone.utc),
    }])  # fmt: skip
    header = models.header_of(client, "m", 1)
    assert header is not None
    assert len(str(header["classes"])) == 60_004

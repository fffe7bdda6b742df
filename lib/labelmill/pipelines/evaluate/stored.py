"""What was measured, as rows: a version has the same figures on the same slice, whenever it is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from labelmill.domain.models.comparison import Comparison
from labelmill.domain.models.metrics import Evaluation
from labelmill.pipelines.evaluate.verdicts import Judged
from labelmill.store.client import RowClient
from labelmill.store.records import texts
from labelmill.store.schema.tables import COMPARISONS, EVALUATIONS, MODELS, TRAINING_SETS


def read_evaluations(
    client: RowClient, model: str, digest: str, versions: Sequence[int]
) -> dict[int, Evaluation]:
    """What was measured of these versions on this slice, on every image of it.

    Left out are versions for which an image could not be prepared: a slice is its images' ids, and pixels
    that were damaged may be whole by now. So are rows of releases that did not store such images.
    """
    client.ensure(EVALUATIONS)
    where = {"model": model, "slice_digest": digest, "version": list(versions)}
    rows = texts.read(client, EVALUATIONS, ["version", "confusion"], where)
    found = {int(str(row["version"])): json.loads(str(row["confusion"])) for row in rows}
    return {
        version: Evaluation.from_dict(stored)
        for version, stored in found.items()
        if stored.get("unprepared") == 0
    }


def read_trained_classes(client: RowClient, model: str) -> dict[int, frozenset[str]]:
    """Version → classes with training images; versions whose training set is not recorded are left out."""
    client.ensure(TRAINING_SETS)
    trained: dict[str, frozenset[str]] = {}
    found = {}
    for row in list(client.scan(MODELS, ["version", "training_set"], {"model": model})):
        digest = str(row["training_set"])
        if digest not in trained:
            sets = texts.read(client, TRAINING_SETS, ["histogram"], {"digest": digest})
            # A histogram that an earlier release left to the manifest has no splits.
            histogram: dict[str, Any] = next(
                (json.loads(str(one["histogram"])) for one in sets), {}
            )
            counts = histogram.get("train", {})
            trained[digest] = frozenset(name for name, rows in counts.items() if rows)
        if trained[digest]:
            found[int(str(row["version"]))] = trained[digest]
    return found


def read_comparisons(
    client: RowClient, model: str, digest: str, serving: int
) -> dict[int, Comparison]:
    """Versions that have been compared with this serving version on this slice."""
    client.ensure(COMPARISONS)
    where = {"model": model, "slice_digest": digest, "serving": serving}
    return {
        int(str(row["version"])): Comparison(
            serving,
            *(
                int(str(row[name]))
                for name in ("both_right", "only_right", "only_serving_right", "both_wrong")
            ),
        )
        for row in client.scan(COMPARISONS, where=where)
    }


def write_comparison(
    client: RowClient, model: str, digest: str, version: int, compared: Comparison
) -> None:
    """Writes how a version compares with the serving one."""
    row = {
        "model": model,
        "version": version,
        "serving": compared.serving,
        "slice_digest": digest,
        "both_right": compared.both_right,
        "only_right": compared.only_right,
        "only_serving_right": compared.only_serving_right,
        "both_wrong": compared.both_wrong,
        "compared_at": datetime.now(timezone.utc),
    }
    client.write(COMPARISONS, [row])


def write_evaluation(
    client: RowClient, model: str, digest: str, text: str, max_error: float | None, judged: Judged
) -> None:
    """Writes a version's row of ``evaluations``.

    Args:
        client: Open client.
        model: Model name.
        digest: SHA-256 (hex) of the slice.
        text: The slice as text: its query, or training set and split.
        max_error: Acceptable error; None when none was stated.
        judged: The version, its measures and its verdict.
    """
    candidate, found, decided = judged
    row = {
        "model": model,
        "version": candidate.version,
        "slice_digest": digest,
        "slice": text,
        "rows": found.rows,
        "accuracy": found.accuracy,
        "precision_macro": found.precision_macro,
        "recall_macro": found.recall_macro,
        "f1_macro": found.f1_macro,
        "per_class": json.dumps([score.to_dict() for score in found.per_class], ensure_ascii=False),
        "confusion": json.dumps(found.to_dict(), ensure_ascii=False),
        "max_error": max_error,
        "accepted": decided.accepted,
        "reasons": json.dumps(list(decided.reasons), ensure_ascii=False),
        "evaluated_at": datetime.now(timezone.utc),
    }
    texts.write(client, EVALUATIONS, [row])

"""A catalogue with things old and new, in use and not, for tests of what leaves it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from labelmill.store.client import RowClient
from labelmill.store.schema.tables import (
    ALIASES,
    COMPARISONS,
    EVALUATIONS,
    LABELS,
    MODEL_CHUNKS,
    MODELS,
    STREAM_BATCHES,
    SWEEPS,
    TABLES,
    TRAINING_SETS,
    TRIAL_METRICS,
    TRIALS,
)

NOW = datetime.now(timezone.utc)
OLD = NOW - timedelta(days=60)
CHUNKS = 3

Row = dict[str, object]


def sha_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_version(
    client: RowClient, model: str, version: int, made: datetime = OLD, parent: int | None = None,
    artifact: str = "", training_set: str = "t",
) -> None:  # fmt: skip
    """A version of three chunks, with an evaluation, two labels, a trial with a metric."""
    sha = sha_of(artifact or f"{model}{version}")
    chunks = [{"sha256": sha, "chunk": n, "data": b"x", "data_sha256": "0"} for n in range(CHUNKS)]
    client.write(MODEL_CHUNKS, chunks)
    header = {
        "model": model, "version": version, "family": "softmax", "parameters": "{}",
        "preparation": "[]", "classes": "[]", "training_set": training_set, "parent": parent,
        "trial_id": f"t{version}", "sha256": sha, "bytes": 1, "chunks": CHUNKS, "created_at": made,
    }  # fmt: skip
    client.write(MODELS, [header])
    measured = {
        "model": model, "version": version, "slice_digest": "0", "slice": "select 1", "rows": 1,
        "accuracy": 1.0, "precision_macro": 1.0, "recall_macro": 1.0, "f1_macro": 1.0,
        "per_class": "[]", "confusion": "{}", "accepted": True, "reasons": "[]", "evaluated_at": made,
    }  # fmt: skip
    client.write(EVALUATIONS, [measured])
    write_labels(client, model, version)
    trial = {"sweep_id": f"of-{model}", "trial_id": f"t{version}"}
    client.write(TRIAL_METRICS, [{**trial, "step": 1, "metric": "train_loss", "value": 0.5}])
    row = {**trial, "number": version, "setting": "{}", "state": "done", "metric": 0.5,
           "model": model, "version": version, "finished_at": made}  # fmt: skip
    client.write(TRIALS, [row])


def write_labels(client: RowClient, model: str, version: int) -> None:
    rows = [
        {"collection": "c", "image_id": sha_of(str(n)), "model": model, "version": version,
         "class": "a", "probability": 1.0, "probabilities": b"", "entropy": 0.0,
         "decision": "accepted", "query": "", "batch_id": None, "labelled_at": OLD}
        for n in range(2)
    ]  # fmt: skip
    client.write(LABELS, rows)


def write_batches(
    client: RowClient, query: str, numbers: Iterable[int], model: str, version: int, started: datetime = OLD
) -> None:  # fmt: skip
    client.write(STREAM_BATCHES, [
        {"query": query, "batch_id": n, "model": model, "version": version, "state": "done",
         "rows": 1, "dead": 0, "milliseconds": 1, "started_at": started}
        for n in numbers
    ])  # fmt: skip


def write_sweep(
    client: RowClient, name: str, model: str, first: int, trials: int, state: str, begun: datetime
) -> None:
    row = {"sweep_id": f"of-{name}", "name": name, "model": model, "training_set": "t", "plan": "{}",
           "first_version": first, "trials": trials, "state": state, "created_at": begun}  # fmt: skip
    client.write(SWEEPS, [row])


def write_catalogue(client: RowClient) -> None:
    """Model ``m``, versions 1 to 9, and what refers to them; a stream; two sweeps.

    In use: 2 (parent of 4), 4 (alias), 5 (a micro-batch that stays), 6 (a running sweep), 9 (new).
    8 has the artifact of 4. Old and unused: 1, 3, 7, 8.
    """
    for table in TABLES.values():
        client.ensure(table)
    parents = {4: 2}
    for version in range(1, 9):
        artifact = "m4" if version == 8 else ""
        write_version(
            client, "m", version, OLD + timedelta(minutes=version), parents.get(version), artifact
        )
    write_version(client, "m", 9, NOW)
    alias = {"model": "m", "alias": "production", "version": 4, "moved_at": OLD}
    client.write(ALIASES, [alias])
    write_batches(client, "q", range(150), "m", 3)
    write_batches(client, "q", range(150, 250), "m", 5)
    write_sweep(client, "live", "m", 6, 1, "running", NOW)
    write_sweep(client, "killed", "n", 1, 4, "running", OLD)
    failed = {"sweep_id": "of-n", "trial_id": "f", "number": 0, "setting": "{}", "state": "failed",
              "model": "n", "finished_at": OLD}  # fmt: skip
    client.write(TRIALS, [failed])
    client.write(TRIAL_METRICS, [
        {"sweep_id": "of-n", "trial_id": "f", "step": 1, "metric": "train_loss", "value": 0.5}
    ])  # fmt: skip
    write_labels(client, "gone", 1)
    compared = dict.fromkeys(("both_right", "only_right", "only_serving_right", "both_wrong"), 1)
    client.write(COMPARISONS, [
        {"model": "m", "version": version, "serving": serving, "slice_digest": "0", **compared,
         "compared_at": OLD}
        for version, serving in ((3, 4), (4, 3), (9, 4))
    ])  # fmt: skip
    left = {"sha256": sha_of("left"), "data": b"x", "data_sha256": "0"}
    client.write(MODEL_CHUNKS, [{**left, "chunk": n} for n in range(CHUNKS)])


def broken(client: RowClient) -> list[str]:
    """What dangles: rows that refer to a version, or versions that refer to chunks, that are not there."""
    versions = {(row["model"], row["version"]): row for row in client.scan(MODELS)}
    chunks = {(row["sha256"], row["chunk"]) for row in client.scan(MODEL_CHUNKS)}
    found = [
        f"{key} lacks chunk {n}"
        for key, row in versions.items()
        for n in range(CHUNKS)
        if (row["sha256"], n) not in chunks
    ]
    found += [
        f"comparison of {row['version']} with {row['serving']}"
        for row in client.scan(COMPARISONS)
        for version in (row["version"], row["serving"])
        if (row["model"], version) not in versions
    ]
    for table, where in (
        (ALIASES, {}),
        (EVALUATIONS, {}),
        (LABELS, {}),
        (TRIALS, {"state": "done"}),
    ):
        found += [
            f"{table.name} of {row['model']} {row['version']}"
            for row in client.scan(table, where=where)
            if (row["model"], row["version"]) not in versions and row["model"] != "gone"
        ]
    return found


def contents(client: RowClient) -> list[str]:
    """All rows, in words that can be compared."""
    return sorted(
        f"{table.name} {sorted((n, str(v)) for n, v in row.items() if n != 'reserved_at')}"
        for table in TABLES.values()
        if table not in (TRAINING_SETS,)
        for row in client.scan(table)
    )

"""Removes what a plan names. Killed anywhere, it leaves a catalogue in order, and can be run again.

What refers to a row goes before the row: a version's labels, evaluations and metrics before its row of
``models``, and that row, which makes the version exist, before its chunks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from labelmill.domain.retention import Rule, VersionRow
from labelmill.retention import training_sets
from labelmill.retention.long_texts import remove_texts, take, unreferenced_texts
from labelmill.retention.plan import (
    OldBatches,
    OldSweep,
    PrunePlan,
    Version,
    plan_prune,
)
from labelmill.store.client import RowClient
from labelmill.store.records import reservations
from labelmill.store.schema.tables import (
    ALIASES,
    COMPARISONS,
    EVALUATIONS,
    LABELS,
    MODEL_CHUNKS,
    MODELS,
    STREAM_BATCHES,
    SWEEPS,
    TRIAL_METRICS,
    TRIALS,
)

Row = dict[str, object]

ABANDONED, DROPPED = "abandoned", "dropped"
"""State of a sweep that was given up, and of a trial whose version was removed."""


@dataclass(frozen=True)
class Pruned:
    """The outcome for one thing.

    Attributes:
        what: In words.
        removed: Whether it is gone.
        note: Anything unusual.
    """

    what: str
    removed: bool = True
    note: str = ""


def prune(client: RowClient, plan: PrunePlan, rule: Rule) -> Iterator[Pruned]:
    """Removes what the plan names, and reports each thing.

    Args:
        client: Open client.
        plan: Result of `plan_prune`.
        rule: That it was made by. What it spares by now is left alone: an alias may have moved since.
    """
    for sweep in plan.sweeps:
        yield _abandon(client, sweep)
    for old in plan.batches:
        yield _remove_batches(client, old)
    if plan.versions.remove or plan.labels or plan.metrics or plan.chunks:
        yield from _remove_versions(client, plan, rule)
    chosen = {one.digest: one.name for one in plan.training_sets.remove}
    for gone in training_sets.prune(client, list(plan.training_sets.remove), rule.force):
        what = f"training set {chosen[gone.digest]} {gone.digest[:12]}"
        yield Pruned(what, gone.removed, gone.note)
    if not (plan.texts or plan.versions.remove or plan.training_sets.remove):
        return
    # Of rows that have just left, too.
    if removed := remove_texts(client, unreferenced_texts(client, datetime.now(timezone.utc))):
        yield Pruned(f"{removed:,} long texts that no row refers to")


def _abandon(client: RowClient, sweep: OldSweep) -> Pruned:
    what = f"sweep {sweep.name}"
    for row in client.scan(SWEEPS, where={"sweep_id": sweep.sweep_id, "state": "running"}):
        created_at = row["created_at"]
        assert isinstance(created_at, datetime)
        if created_at > sweep.last_seen:
            return Pruned(what, False, "it runs again")
        client.write(SWEEPS, [{**row, "state": ABANDONED}])
    return Pruned(what, note="marked as abandoned; running it again continues it")


def _remove_batches(client: RowClient, old: OldBatches) -> Pruned:
    for numbers in np.array_split(old.numbers, len(old.numbers) // 1_000 + 1):
        keys = [{"query": old.query, "batch_id": number} for number in numbers.tolist()]
        client.write(STREAM_BATCHES, keys, "delete_ignore")
    return Pruned(f"{len(old.numbers):,} micro-batches of stream {old.query}")


def _remove_versions(client: RowClient, plan: PrunePlan, rule: Rule) -> Iterator[Pruned]:
    now = datetime.now(timezone.utc)
    fresh = (
        plan_prune(client, rule, now, ("versions",))
        if plan.versions.remove or plan.labels
        else plan
    )
    rows = [one for one in plan.versions.remove if (one.model, one.version) in fresh.leaving]
    for one in plan.versions.remove:
        if one not in rows:
            yield Pruned(f"version {one.version} of {one.model}", False, "now in use")
    for model in sorted({one.model for one in rows}):
        reservations.retire(client, model, max(one.version for one in rows if one.model == model))
    unlabelled = {key: n for key, n in plan.labels.items() if key in fresh.labels}
    if unlabelled:
        yield Pruned(f"{_remove_labels(client, unlabelled):,} labels of versions that leave")
    # From the newest: a version that was trained from another goes before it.
    for one in sorted(rows, key=lambda row: (row.model, -row.version)):
        yield _remove_version(client, one)
    for sweep_id, trial_id in plan.metrics:
        take(client, TRIAL_METRICS, {"sweep_id": sweep_id, "trial_id": trial_id})
    if plan.metrics:
        yield Pruned(f"metrics of {len(plan.metrics):,} trials that failed")
    for sha256 in plan.chunks:
        yield _remove_chunks(client, sha256)


def _remove_labels(client: RowClient, versions: Collection[Version]) -> int:
    import pyarrow as pa

    removed = 0
    for batch in client.scan(LABELS, LABELS.key).batches():
        keys = zip(
            batch.column("model").to_pylist(), batch.column("version").to_pylist(), strict=True
        )
        leaving = batch.filter(pa.array([key in versions for key in keys], pa.bool_()))
        if leaving.num_rows:
            removed += client.write(LABELS, leaving, "delete_ignore")
    return removed


def _remove_version(client: RowClient, one: VersionRow) -> Pruned:
    what = f"version {one.version} of {one.model}"
    key = {"model": one.model, "version": one.version}
    if _is_served(client, one):
        return Pruned(what, False, "an alias names it by now")
    header = list(client.scan(MODELS, where=key))
    taken = [(table, take(client, table, key)) for table in (EVALUATIONS, COMPARISONS)]
    as_serving = {"model": one.model, "serving": one.version}
    taken.append((COMPARISONS, take(client, COMPARISONS, as_serving)))
    for trial in client.scan(TRIALS, where={**key, "state": "done"}):
        measured = {"sweep_id": trial["sweep_id"], "trial_id": trial["trial_id"]}
        taken.append((TRIAL_METRICS, take(client, TRIAL_METRICS, measured)))
        client.write(TRIALS, [{**trial, "state": DROPPED}])
        taken.append((TRIALS, [trial]))
    client.write(MODELS, [key], "delete_ignore")
    if _is_served(client, one):
        # Moved in between: whoever moved it has seen the version. It still has its chunks.
        client.write(MODELS, header)
        for table, rows in taken:
            client.write(table, rows)
        return Pruned(what, False, "an alias names it by now")
    note = _remove_chunks(client, one.sha256).note
    return Pruned(what, note=note)


def _remove_chunks(client: RowClient, sha256: str) -> Pruned:
    """Removes an artifact's chunks, unless a version has it."""
    what = f"chunks of an artifact without a version, {sha256[:12]}"
    if _has_version(client, sha256):
        return Pruned(what, False, "its chunks stay: another version has the same artifact")
    chunks = take(client, MODEL_CHUNKS, {"sha256": sha256})
    if _has_version(client, sha256):  # published in between
        client.write(MODEL_CHUNKS, chunks)
        return Pruned(what, False, "its chunks stay: it was published just now")
    return Pruned(what)


def _is_served(client: RowClient, one: VersionRow) -> bool:
    pointing = client.scan(ALIASES, ["version"], {"model": one.model})
    return any(row["version"] == one.version for row in pointing)


def _has_version(client: RowClient, sha256: str) -> bool:
    return any(True for _ in client.scan(MODELS, ["version"], {"sha256": sha256}))

"""What a rule removes: read from the catalogue, nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from labelmill.domain.retention import (
    Choice,
    Rule,
    TrainingSetRow,
    VersionRow,
    choose,
    choose_versions,
    is_abandoned,
    old_batches,
    unreferenced,
)
from labelmill.retention import training_sets
from labelmill.retention.long_texts import WRITTEN_WITHIN, unreferenced_texts
from labelmill.store.client import RowClient
from labelmill.store.schema.rows import moment_of
from labelmill.store.schema.tables import (
    ALIASES,
    COMPARISONS,
    EVALUATIONS,
    LABELS,
    MODEL_CHUNKS,
    MODELS,
    STREAM_BATCHES,
    SWEEPS,
    TRAINING_SETS,
    TRIAL_METRICS,
    TRIALS,
    VERSION_RESERVATIONS,
)

KINDS = ("sweeps", "micro-batches", "versions", "training-sets")
"""What can be removed, in the order in which it is: what refers to others goes before them."""

TABLES = (ALIASES, COMPARISONS, EVALUATIONS, LABELS, MODEL_CHUNKS, MODELS, STREAM_BATCHES, SWEEPS, TRAINING_SETS,
          TRIAL_METRICS, TRIALS, VERSION_RESERVATIONS)  # fmt: skip
"""What is read and written."""

Version = tuple[str, int]
"""Model and number."""


@dataclass(frozen=True)
class OldSweep:
    """A sweep that was given up: it is marked as abandoned, and stops keeping its training set.

    Attributes:
        sweep_id: Its id.
        name: Of its file.
        training_set: Digest.
        last_seen: When it wrote its last row (UTC).
    """

    sweep_id: str
    name: str
    training_set: str
    last_seen: datetime


@dataclass(frozen=True)
class OldBatches:
    """Micro-batches of one stream.

    Attributes:
        query: Name of the stream.
        numbers: ``(N,)`` those that leave, ascending.
        total: All of the stream.
        newest: When the newest of those that leave began (UTC).
    """

    query: str
    numbers: npt.NDArray[np.int64]
    total: int
    newest: datetime


@dataclass(frozen=True)
class PrunePlan:
    """What leaves, and what is spared.

    Attributes:
        sweeps: Marked as abandoned.
        batches: By stream.
        versions: With their chunks, evaluations, metrics and labels.
        labels: Version → labels that leave; also of versions that are gone already.
        metrics: Sweep and trial of old trials that failed, whose metrics leave.
        chunks: SHA-256 of artifacts that no version has.
        texts: SHA-256 of long texts that no row has.
        training_sets: With their files.
    """

    sweeps: tuple[OldSweep, ...] = ()
    batches: tuple[OldBatches, ...] = ()
    versions: Choice[VersionRow] = field(default_factory=lambda: Choice((), ()))
    labels: dict[Version, int] = field(default_factory=dict)
    metrics: tuple[tuple[str, str], ...] = ()
    chunks: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    training_sets: Choice[TrainingSetRow] = field(default_factory=lambda: Choice((), ()))

    @property
    def leaving(self) -> set[Version]:
        """The versions that leave."""
        return {(one.model, one.version) for one in self.versions.remove}


def plan_prune(
    client: RowClient, rule: Rule, now: datetime, kinds: Collection[str] = KINDS
) -> PrunePlan:
    """Reads what a rule removes.

    Args:
        client: Open client.
        rule: What is old.
        now: Timezone-aware.
        kinds: Some of `KINDS`; others stay, and keep what they refer to.
    """
    for table in TABLES:
        client.ensure(table)
    sweeps = _abandoned(client, rule, now) if "sweeps" in kinds else ()
    gone = {one.sweep_id for one in sweeps}
    batches, pinned = _micro_batches(client, rule, now, remove="micro-batches" in kinds)
    versions: Choice[VersionRow] = Choice((), ())
    labels: dict[Version, int] = {}
    metrics: tuple[tuple[str, str], ...] = ()
    chunks: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    if "versions" in kinds:
        # Labels before versions: a version exists before the first label of it.
        labelled = _count_labels(client)
        published = published_versions(client, pinned, gone)
        versions = choose_versions(published, rule, now)
        leaving = {(one.model, one.version) for one in versions.remove}
        existing = {(one.model, one.version) for one in published} - leaving
        labels = {key: n for key, n in labelled.items() if key not in existing and rule.name in (None, key[0])}  # fmt: skip
        metrics = _failed_trials(client, rule, now, gone)
        if rule.name is None:
            chunks = tuple(_left_chunks(client, now))
            texts = tuple(unreferenced_texts(client, now))
    sets: Choice[TrainingSetRow] = Choice((), ())
    if "training-sets" in kinds:
        leaving = {(one.model, one.version) for one in versions.remove}
        sets = choose(training_sets.known(client, leaving, gone), rule, now)
    return PrunePlan(sweeps, batches, versions, labels, metrics, chunks, texts, sets)


def published_versions(
    client: RowClient, pinned: Iterable[tuple[Version, str]], abandoned: Collection[str]
) -> list[VersionRow]:
    """All versions, with what refers to them besides other versions.

    Args:
        client: Open client.
        pinned: Version → stream whose micro-batches were labelled with it, and stay.
        abandoned: Ids of sweeps that do not count.
    """
    users: dict[Version, list[str]] = defaultdict(list)
    for version, query in pinned:
        users[version].append(f"stream {query}")
    ranges = []
    columns = ["sweep_id", "name", "model", "first_version", "trials"]
    for row in client.scan(SWEEPS, columns, {"state": "running"}):
        if row["sweep_id"] not in abandoned:
            first = int(str(row["first_version"]))
            ranges.append(
                (row["model"], range(first, first + int(str(row["trials"]))), row["name"])
            )
    columns = ["model", "version", "created_at", "bytes", "sha256", "parent"]
    rows = list(client.scan(MODELS, columns))
    # Aliases last: one that has moved away meanwhile only spares a version too many.
    for row in client.scan(ALIASES, ["model", "alias", "version"]):
        users[str(row["model"]), int(str(row["version"]))].append(f"alias {row['alias']}")
    found = []
    for row in rows:
        key = str(row["model"]), int(str(row["version"]))
        running = [
            f"running sweep {name}" for model, r, name in ranges if model == key[0] and key[1] in r
        ]
        found.append(
            VersionRow(
                *key,
                created_at=_moment(row["created_at"]),
                bytes=int(str(row["bytes"])),
                sha256=str(row["sha256"]),
                parent=None if row["parent"] is None else int(str(row["parent"])),
                used_by=tuple(sorted({*users[key], *running})),
            )
        )
    return found


def _abandoned(client: RowClient, rule: Rule, now: datetime) -> tuple[OldSweep, ...]:
    running = list(
        client.scan(
            SWEEPS, ["sweep_id", "name", "training_set", "created_at"], {"state": "running"}
        )
    )
    found = []
    for row in running:
        ended = client.scan(TRIALS, ["finished_at"], {"sweep_id": row["sweep_id"]})
        signs = [_moment(row["created_at"]), *(_moment(trial["finished_at"]) for trial in ended)]
        if rule.name in (None, row["name"]) and is_abandoned(signs, rule, now):
            found.append(
                OldSweep(
                    str(row["sweep_id"]), str(row["name"]), str(row["training_set"]), max(signs)
                )
            )
    return tuple(sorted(found, key=lambda one: (one.last_seen, one.sweep_id)))


def _micro_batches(
    client: RowClient, rule: Rule, now: datetime, remove: bool
) -> tuple[tuple[OldBatches, ...], set[tuple[Version, str]]]:
    """Old ones by stream, and the versions of those that stay."""
    columns = ["query", "batch_id", "model", "version", "started_at"]
    parts: dict[str, list[npt.NDArray[np.int64]]] = defaultdict(list)
    codes: dict[tuple[str, str, int], int] = {}
    for batch in client.scan(STREAM_BATCHES, columns).batches():
        queries = np.array(batch.column("query").to_pylist(), object)
        keys = zip(
            queries.tolist(), batch.column("model").to_pylist(), batch.column("version").to_pylist(),
            strict=True,
        )  # fmt: skip
        coded = np.fromiter((codes.setdefault(key, len(codes)) for key in keys), np.int64)
        numbers = batch.column("batch_id").to_numpy()
        started = batch.column("started_at").cast("int64").to_numpy()
        rows = np.stack([numbers, started, coded], axis=1)
        for query in set(queries.tolist()):
            parts[query].append(rows[queries == query])
    names = {code: ((model, version), query) for (query, model, version), code in codes.items()}
    found, pinned = [], set()
    for query, pieces in sorted(parts.items()):
        rows = np.concatenate(pieces)
        old = old_batches(rows[:, 0], rows[:, 1], rule, now)
        if not remove or rule.name not in (None, query):
            old[:] = False
        pinned |= {names[code] for code in np.unique(rows[~old, 2]).tolist()}
        if old.any():
            newest = moment_of(int(rows[old, 1].max()))
            found.append(OldBatches(query, np.sort(rows[old, 0]), len(rows), newest))
    return tuple(found), pinned


def _count_labels(client: RowClient) -> dict[Version, int]:
    import pyarrow as pa

    counted: dict[Version, int] = defaultdict(int)
    for batch in client.scan(LABELS, ["model", "version"]).batches():
        groups = (
            pa.Table.from_batches([batch])
            .group_by(["model", "version"])
            .aggregate([([], "count_all")])
        )
        for row in groups.to_pylist():
            counted[row["model"], row["version"]] += row["count_all"]
    return dict(counted)


def _failed_trials(
    client: RowClient, rule: Rule, now: datetime, abandoned: Collection[str]
) -> tuple[tuple[str, str], ...]:
    if rule.older_than_days is None:
        return ()
    running = {
        str(row["sweep_id"]) for row in client.scan(SWEEPS, ["sweep_id"], {"state": "running"})
    }
    running -= set(abandoned)
    columns = ["sweep_id", "trial_id", "model", "finished_at"]
    found = [
        (str(row["sweep_id"]), str(row["trial_id"]))
        for row in client.scan(TRIALS, columns, {"state": "failed"})
        if _moment(row["finished_at"]) <= rule.before(now)
        and str(row["sweep_id"]) not in running
        and rule.name in (None, row["model"])
    ]
    if not found:
        return ()
    measured = {
        (sweep, trial)
        for batch in client.scan(TRIAL_METRICS, ["sweep_id", "trial_id"]).batches()
        for sweep, trial in set(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    }
    return tuple(sorted(set(found) & measured))


def _left_chunks(client: RowClient, now: datetime) -> list[str]:
    """SHA-256 of artifacts that a killed publish, or a killed prune, has left without a version.

    What is being published now has chunks and no version yet. So only chunks count that were there
    an hour ago.
    """
    then = round((now - WRITTEN_WITHIN).timestamp() * 1000)
    stored: set[str] = set()
    # By any chunk: a publish that was killed has written some of them, in any order.
    for batch in client.scan(MODEL_CHUNKS, ["sha256"], None, then).batches():
        stored |= set(batch.column("sha256").unique().to_pylist())
    return unreferenced(stored, {str(row["sha256"]): 1 for row in client.scan(MODELS, ["sha256"])})


def _moment(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value

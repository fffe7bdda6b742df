"""Removes old training sets: files first, then the row, so that a killed prune can be run again.

A training set that a model, an evaluation or a running sweep refers to stays, unless forced: without
it nobody can train, measure or compare on the same rows again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from labelmill.domain.retention import TrainingSetRow
from labelmill.errors import InputError
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import EVALUATIONS, MODELS, SWEEPS, TRAINING_SETS
from labelmill.store.schema.types import Table
from labelmill.training_sets.registry import digest_measured_on
from labelmill.training_sets.removal import remove_files

USERS: tuple[Table, ...] = (MODELS, EVALUATIONS, SWEEPS)


@dataclass(frozen=True)
class PruneResult:
    """The outcome for one training set.

    Attributes:
        digest: Of the training set.
        removed: Whether its row was removed.
        note: Anything unusual; empty when files and row were removed.
    """

    digest: str
    removed: bool
    note: str = ""


def known(
    client: RowClient,
    without: Collection[tuple[str, int]] = (),
    abandoned: Collection[str] = (),
) -> list[TrainingSetRow]:
    """All training sets of the catalogue, newest first, with what refers to them.

    Args:
        client: Open client.
        without: Model and version of those that do not count as users, because they leave too.
        abandoned: Ids of sweeps that do not count.
    """
    for table in (TRAINING_SETS, *USERS):
        client.ensure(table)
    pointing = used_by(client, without, abandoned)
    columns = ["digest", "name", "rows", "location", "created_at"]
    found = []
    for row in client.scan(TRAINING_SETS, columns):
        created_at = row["created_at"]
        assert isinstance(created_at, datetime)
        digest = str(row["digest"])
        found.append(
            TrainingSetRow(
                digest=digest,
                name=str(row["name"]),
                rows=int(str(row["rows"])),
                location=str(row["location"]),
                created_at=created_at,
                used_by=pointing.get(digest, ()),
            )
        )
    return sorted(found, key=lambda one: (one.created_at, one.digest), reverse=True)


def used_by(
    client: RowClient,
    without: Collection[tuple[str, int]] = (),
    abandoned: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """Digest → what refers to it, in words; see `known`. The tables `USERS` must exist."""
    found: dict[str, list[str]] = {}
    for row in client.scan(MODELS, ["model", "version", "training_set"]):
        if (row["model"], row["version"]) not in without:
            user = f"{row['model']} {row['version']}"
            found.setdefault(str(row["training_set"]), []).append(user)
    for row in client.scan(EVALUATIONS, ["model", "version", "slice"]):
        digest = digest_measured_on(str(row["slice"]))
        if digest and (row["model"], row["version"]) not in without:
            user = f"evaluation of {row['model']} {row['version']}"
            found.setdefault(digest, []).append(user)
    running = {"state": "running"}
    for row in client.scan(SWEEPS, ["sweep_id", "name", "training_set"], running):
        if row["sweep_id"] not in abandoned:
            found.setdefault(str(row["training_set"]), []).append(f"running sweep {row['name']}")
    return {digest: tuple(sorted(set(users))) for digest, users in found.items()}


def prune(
    client: RowClient, chosen: list[TrainingSetRow], force: bool = False
) -> Iterator[PruneResult]:
    """Removes training sets one by one, and reports each.

    Args:
        client: Open client.
        chosen: Result of `labelmill.domain.retention.choose`.
        force: Also remove those in use, and forget those whose files are unreachable.

    Yields:
        The outcome of each. A failure does not stop the others.
    """
    for one in chosen:
        # A sweep may have started, or a model been published, since the user was asked.
        now = replace(one, used_by=used_by(client).get(one.digest, ()))
        if now.used_by and not force:
            yield PruneResult(one.digest, False, f"now in use: {', '.join(now.used_by)}")
            continue
        row = next(
            client.scan(TRAINING_SETS, ["created_at", "location"], {"digest": one.digest}), None
        )
        if row is None:
            yield PruneResult(one.digest, True, "already removed by another process")
            continue
        if (row["created_at"], row["location"]) != (one.created_at, one.location):
            yield PruneResult(
                one.digest, False, "frozen again meanwhile; list the training sets again"
            )
            continue
        note = ""
        try:
            others = remove_files(one.location, one.digest)
            if others is None:
                note = f"there was no folder {one.location}"
            elif others:
                note = f"other files stay in {one.location}: {', '.join(others[:5])}"
        except InputError as error:
            if not force:
                yield PruneResult(one.digest, False, str(error))
                continue
            note = f"forgotten, but {error}"
        client.write(TRAINING_SETS, [{"digest": one.digest}], "delete_ignore")
        yield PruneResult(one.digest, True, note)

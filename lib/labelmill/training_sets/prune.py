"""Old training sets go: files first, then the row, so that a prune that was killed is run again.

What a model, an evaluation or a sweep that runs points to stays, unless forced: without it nobody
can learn, measure or compare the same again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from labelmill.domain.retention import Frozen
from labelmill.errors import InputError
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import EVALUATIONS, MODELS, SWEEPS, TRAINING_SETS
from labelmill.store.schema.types import Table
from labelmill.training_sets.registry import digest_measured_on
from labelmill.training_sets.removal import remove_files

USERS: tuple[Table, ...] = (MODELS, EVALUATIONS, SWEEPS)


@dataclass(frozen=True)
class Gone:
    """What became of one training set.

    Attributes:
        digest: Which.
        removed: Whether the catalogue has forgotten it.
        note: What else there is to say; empty: files and row are gone.
    """

    digest: str
    removed: bool
    note: str = ""


def known(client: RowClient) -> list[Frozen]:
    """All training sets of the catalogue, the newest first, with who points to them."""
    for table in (TRAINING_SETS, *USERS):
        client.ensure(table)
    pointing = used_by(client)
    columns = ["digest", "name", "rows", "location", "created_at"]
    found = []
    for row in client.scan(TRAINING_SETS, columns):
        created_at = row["created_at"]
        assert isinstance(created_at, datetime)
        digest = str(row["digest"])
        found.append(
            Frozen(
                digest=digest,
                name=str(row["name"]),
                rows=int(str(row["rows"])),
                location=str(row["location"]),
                created_at=created_at,
                used_by=pointing.get(digest, ()),
            )
        )
    return sorted(found, key=lambda one: (one.created_at, one.digest), reverse=True)


def used_by(client: RowClient) -> dict[str, tuple[str, ...]]:
    """Digest → who points to it, in words; the tables `USERS` are there."""
    found: dict[str, list[str]] = {}
    for row in client.scan(MODELS, ["model", "version", "training_set"]):
        found.setdefault(str(row["training_set"]), []).append(f"{row['model']} {row['version']}")
    for row in client.scan(EVALUATIONS, ["model", "version", "slice"]):
        if digest := digest_measured_on(str(row["slice"])):
            said = f"evaluation of {row['model']} {row['version']}"
            found.setdefault(digest, []).append(said)
    for row in client.scan(SWEEPS, ["name", "training_set"], {"state": "running"}):
        found.setdefault(str(row["training_set"]), []).append(f"running sweep {row['name']}")
    return {digest: tuple(sorted(set(said))) for digest, said in found.items()}


def prune(client: RowClient, chosen: list[Frozen], force: bool = False) -> Iterator[Gone]:
    """Removes training sets, one after the other, and tells of each.

    Args:
        client: Rows.
        chosen: What `labelmill.domain.retention.choose` said.
        force: Also what somebody points to by now; and forget those whose files are out of reach.

    Yields:
        What became of each. One that cannot be removed does not stop the others.
    """
    for one in chosen:
        # A sweep may have begun, or a model come to be, since the person was asked.
        now = replace(one, used_by=used_by(client).get(one.digest, ()))
        if now.used_by and not force:
            yield Gone(one.digest, False, f"in use by now: {', '.join(now.used_by)}")
            continue
        row = next(
            client.scan(TRAINING_SETS, ["created_at", "location"], {"digest": one.digest}), None
        )
        if row is None:
            yield Gone(one.digest, True, "somebody else has removed it")
            continue
        if (row["created_at"], row["location"]) != (one.created_at, one.location):
            yield Gone(one.digest, False, "it was frozen again meanwhile; look at the list again")
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
                yield Gone(one.digest, False, str(error))
                continue
            note = f"forgotten, but {error}"
        client.write(TRAINING_SETS, [{"digest": one.digest}], "delete_ignore")
        yield Gone(one.digest, True, note)

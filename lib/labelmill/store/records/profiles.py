"""Profiles of collections: stored as rows of ``profiles``, cut into parts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from labelmill.domain.profiles.deviations import Deviation
from labelmill.domain.profiles.profile import Profile
from labelmill.domain.profiles.schema import Schema, infer, read_schema
from labelmill.errors import MissingRow
from labelmill.store.client import RowClient
from labelmill.store.records import texts
from labelmill.store.schema.tables import PROFILES

PART_CHARACTERS = 48_000
"""Kudu's cell limit is 65,536 bytes; JSON is written in ASCII, one byte per character."""

MOST_DEVIATIONS = 100
"""Deviations stored per profile; the worst come first."""

LATEST = "latest"

_DIGEST = re.compile(r"[0-9a-f]{6,64}")


def save(
    client: RowClient,
    profile: Profile,
    snapshot_ms: int,
    against: str | None,
    deviations: Sequence[Deviation],
    accepted: bool | None,
) -> None:
    """Writes a profile as whole rows. Where it exists already, a look that compares it with nothing only
    gives it a new time: an earlier verdict stays, with what it rests on.

    Args:
        client: Open client.
        profile: The profile.
        snapshot_ms: Snapshot that was read, milliseconds since 1970 UTC.
        against: What it was compared with; None: with nothing.
        deviations: Deviations that were found.
        accepted: The verdict; None keeps an earlier verdict on the same profile.
    """
    client.ensure(PROFILES)
    where = {"collection": profile.collection, "digest": profile.digest, "part": 0}
    verdict = next(texts.read(client, PROFILES, ["against", "deviations", "accepted"], where), None)
    if against is not None or verdict is None:
        verdict = {
            "against": None if against is None else against[:1000],
            "deviations": json.dumps([d.__dict__ for d in deviations[:MOST_DEVIATIONS]]),
            "accepted": verdict["accepted"] if verdict else None,
        }
    row: dict[str, Any] = {
        "collection": profile.collection,
        "digest": profile.digest,
        "snapshot_ms": snapshot_ms,
        "images": profile.images,
        "classes": len(profile.classes) + profile.other_classes,
        "without_truth": profile.without_truth,
        "exact_duplicates": profile.exact.images,
        "near_duplicates": profile.near.images,
        "leaks": profile.leaks,
        "near_leaks": profile.near_leaks,
        "outliers": sum(profile.outliers.values()),
        **verdict,
        "created_at": datetime.now(timezone.utc),
    }
    if accepted is not None:
        row["accepted"] = accepted
    text = json.dumps({"profile": profile.to_json(), "schema": infer(profile).to_json()})
    cuts = range(0, len(text), PART_CHARACTERS)
    rows = [
        row | {"part": part, "parts": len(cuts), "profile": text[start : start + PART_CHARACTERS]}
        for part, start in enumerate(cuts)
    ]
    for one in reversed(rows):
        texts.write(client, PROFILES, [one])


def accepted(client: RowClient, collection: str, digest: str) -> bool:
    """Whether this profile exists and was accepted."""
    where = {"collection": collection, "digest": digest, "part": 0}
    return any(row["accepted"] is True for row in client.scan(PROFILES, ["accepted"], where))


def find(client: RowClient, collection: str, named: str) -> tuple[Schema, str] | None:
    """Finds the schema that new images are compared with.

    Args:
        client: Open client.
        collection: Collection that is profiled.
        named: ``latest``: the newest accepted profile of this collection or, if none is accepted,
            the newest that was compared with nothing; the beginning of a digest: that profile;
            another collection's name: its latest profile.

    Returns:
        The schema and its name; None for ``latest`` if there is none yet.

    Raises:
        MissingRow: No such profile; the message lists those that exist.
    """
    client.ensure(PROFILES)
    columns = ["collection", "digest", "accepted", "created_at"]
    rows = list(client.scan(PROFILES, columns, {"part": 0}))
    digests = [r for r in rows if _DIGEST.fullmatch(named) and str(r["digest"]).startswith(named)]
    if len({r["digest"] for r in digests}) > 1:
        raise MissingRow(f"{named!r} matches the digests of several profiles; give more digits")
    of = collection if named == LATEST else named
    own = [r for r in rows if r["collection"] == of]
    fitting = (
        digests
        or [r for r in own if r["accepted"] is True]
        or [r for r in own if r["accepted"] is None]
    )
    if not fitting:
        if named == LATEST:
            return None
        known = sorted({f"{r['collection']} {str(r['digest'])[:12]}" for r in rows})
        raise MissingRow(
            f"no profile {named!r}; expected {LATEST}, a collection that has an accepted profile, "
            f"six or more digits of a digest, or a schema's FILE.json. Profiles: "
            f"{', '.join(known[-10:]) or 'none'}"
        )
    newest = max(fitting, key=lambda r: (r["created_at"], r["digest"]))
    name = f"{newest['collection']} {str(newest['digest'])[:12]}"
    return read_schema(load(client, str(newest["collection"]), str(newest["digest"])), name), name


def load(client: RowClient, collection: str, digest: str) -> Mapping[str, Any]:
    """Returns the JSON of one profile: ``profile`` and ``schema``.

    Raises:
        MissingRow: It does not exist, or parts are missing.
    """
    where = {"collection": collection, "digest": digest}
    rows = sorted(
        client.scan(PROFILES, ["part", "parts", "profile"], where),
        key=lambda r: str(r["part"]).zfill(9),
    )
    if not rows or len(rows) < int(str(rows[0]["parts"])):
        raise MissingRow(
            f"profile {digest[:12]} of {collection!r} is incomplete; profile the collection again"
        )
    document: Mapping[str, Any] = json.loads("".join(str(r["profile"]) for r in rows))
    return document

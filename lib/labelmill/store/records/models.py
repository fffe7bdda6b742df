"""Model versions: artifact bytes in content-addressed chunks, the header row written last.

Kudu has no atomicity across rows, so the header row is the commit marker: a publish that dies
before it leaves chunks that nobody refers to, and no version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from labelmill.domain.models.artifact import Artifact, chunks_of, pack, sha256_of
from labelmill.errors import ArtifactError, MissingRow, RowsRefused, StoreError
from labelmill.store.client import RowClient
from labelmill.store.records import texts
from labelmill.store.schema.tables import MODEL_CHUNKS, MODELS, SWEEPS, VERSION_RESERVATIONS

NAMED_VERSIONS = 20
"""Up to so many versions are all named in a message."""

_FIX = (
    "Publish this version again (run its sweep again with --retry-failed, or `models.publish` with "
    "the same artifact): chunks are written again under the same names. Until then move the alias "
    "to another version."
)


def publish(
    client: RowClient,
    model: str,
    version: int,
    artifact: Artifact,
    training_set: str,
    trial_id: str | None,
    parent: int | None = None,
) -> str:
    """Stores a model version.

    Args:
        client: Open client.
        model: Name.
        version: Immutable number; publishing the same artifact under it again is fine.
        artifact: The artifact to store.
        training_set: Digest of the training set that it was trained on.
        trial_id: Trial that it came from.
        parent: Version that training continued from.

    Returns:
        SHA-256 (hex) of the artifact's bytes.

    Raises:
        StoreError: Another artifact is stored under this version.
        StoreUnreachable: Kudu did not answer in time.
    """
    header: dict[str, object] = {
        "family": artifact.family,
        "parameters": json.dumps(artifact.parameters, sort_keys=True),
        "preparation": artifact.preparation.to_json(),
        "classes": json.dumps(list(artifact.classes), ensure_ascii=False),
        "training_set": training_set,
        "parent": parent,
        "trial_id": trial_id,
    }
    return publish_bytes(client, model, version, header, pack(artifact))


def publish_bytes(
    client: RowClient, model: str, version: int, header: Mapping[str, object], data: bytes
) -> str:
    """Stores artifact bytes and their header row; see `publish`.

    Args:
        client: Open client.
        model: Name.
        version: Immutable number.
        header: The descriptive columns of ``models`` (family, parameters, preparation, classes,
            training_set; parent and trial_id when known).
        data: The artifact's bytes.

    Raises:
        StoreError: Another artifact is stored under this version.
    """
    client.ensure(MODEL_CHUNKS)
    client.ensure(MODELS)
    sha256 = sha256_of(data)
    _refuse_other(client, model, version, sha256)
    chunks = chunks_of(data)
    # Upsert, not insert-ignore: publishing again also repairs an altered chunk.
    rows: list[dict[str, object]] = [
        {
            "sha256": sha256,
            "chunk": number,
            "data": chunk,
            "data_sha256": hashlib.sha256(chunk).hexdigest(),
        }
        for number, chunk in enumerate(chunks)
    ]
    client.write(MODEL_CHUNKS, rows)
    row = {
        **header,
        "model": model,
        "version": version,
        "sha256": sha256,
        "bytes": len(data),
        "chunks": len(chunks),
        "created_at": datetime.now(timezone.utc),
    }
    try:
        texts.write(client, MODELS, [row], "insert")
    except RowsRefused:
        # Published before, or by another process just now: the same bytes are the same version.
        _refuse_other(client, model, version, sha256)
    _rewrite_missing(client, sha256, rows)
    return sha256


def _rewrite_missing(client: RowClient, sha256: str, rows: list[dict[str, object]]) -> None:
    """Writes chunks again that a prune, which saw no version yet, removed before the header was there."""
    stored = {row["chunk"] for row in client.scan(MODEL_CHUNKS, ["chunk"], {"sha256": sha256})}
    client.write(MODEL_CHUNKS, [row for row in rows if row["chunk"] not in stored])


def load(client: RowClient, model: str, version: int) -> tuple[dict[str, object], bytes]:
    """Returns the header row and the verified artifact bytes of a version.

    Raises:
        MissingRow: No such version.
        ArtifactError: A chunk is missing or altered; the message names it and says how to fix it.
    """
    row = header_of(client, model, version)
    if row is None:
        known = versions_text(versions(client, model))
        raise MissingRow(f"model {model!r} has no version {version}; versions: {known}")
    sha256, expected = str(row["sha256"]), int(str(row["chunks"]))
    what = f"model {model!r} version {version} (sha256 {sha256[:12]}…)"
    chunks: dict[int, bytes] = {}
    for chunk in client.scan(MODEL_CHUNKS, where={"sha256": sha256}):
        number, data = int(str(chunk["chunk"])), chunk["data"]
        assert isinstance(data, bytes)
        if hashlib.sha256(data).hexdigest() != chunk["data_sha256"]:
            raise ArtifactError(f"{what}: chunk {number} of {expected} is altered. {_FIX}")
        chunks[number] = data
    for number in range(expected):
        if number not in chunks:
            raise ArtifactError(f"{what}: chunk {number} of {expected} is missing. {_FIX}")
    if extra := sorted(set(chunks) - set(range(expected))):
        raise ArtifactError(f"{what}: chunk {extra[0]} is beyond the {expected} expected. {_FIX}")
    data = b"".join(chunks[number] for number in range(expected))
    if sha256_of(data) != sha256:
        raise ArtifactError(
            f"{what}: the {expected} chunks together are not the published bytes. {_FIX}"
        )
    return row, data


def header_of(client: RowClient, model: str, version: int) -> dict[str, object] | None:
    """Returns the header row of a version; ``None`` if there is none."""
    rows = texts.read(client, MODELS, where={"model": model, "version": version})
    return next(rows, None)


def versions(client: RowClient, model: str) -> list[int]:
    """Returns the existing versions, ascending."""
    return sorted(
        int(str(r["version"])) for r in client.scan(MODELS, ["version"], {"model": model})
    )


def versions_text(numbers: Sequence[int]) -> str:
    """Versions for a message; of many, the first and the last ones.

    Example:
        >>> versions_text([1, 2]), versions_text([]), versions_text(range(1, 10_001))
        ('1, 2', 'none', '1, 2, 3, 4, 5, …, 9996, 9997, 9998, 9999, 10000 (10,000 in all)')
    """
    if len(numbers) <= NAMED_VERSIONS:
        return ", ".join(map(str, numbers)) or "none"
    shown = (*map(str, numbers[:5]), "…", *map(str, numbers[-5:]))
    return f"{', '.join(shown)} ({len(numbers):,} in all)"


def next_version(client: RowClient, model: str) -> int:
    """Returns the first version that no model has and no sweep has reserved.

    Another process may read the same number; to reserve it: `labelmill.store.records.reservations`.
    """
    client.ensure(MODELS)
    client.ensure(SWEEPS)
    client.ensure(VERSION_RESERVATIONS)
    return max(versions(client, model) + held_versions(client, model), default=0) + 1


def held_versions(client: RowClient, model: str) -> list[int]:
    """The last version of each range that was given out, whether or not its versions exist."""
    held = []
    for row in client.scan(VERSION_RESERVATIONS, ["first_version", "versions"], {"model": model}):
        held.append(int(str(row["first_version"])) + int(str(row["versions"])) - 1)
    # Sweeps of releases that had no reservations.
    for sweep in client.scan(SWEEPS, ["first_version", "trials"], {"model": model}):
        held.append(int(str(sweep["first_version"])) + int(str(sweep["trials"])) - 1)
    return held


def _refuse_other(client: RowClient, model: str, version: int, sha256: str) -> None:
    row = header_of(client, model, version)
    if row is not None and row["sha256"] != sha256:
        raise StoreError(
            f"model {model!r} version {version} is already stored with other bytes "
            f"(sha256 {str(row['sha256'])[:12]}…, now {sha256[:12]}…). Versions are immutable: "
            f"publish as version {next_version(client, model)}."
        )

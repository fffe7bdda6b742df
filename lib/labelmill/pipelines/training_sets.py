"""Training sets that the catalogue knows."""

from __future__ import annotations

import os
import re

from labelmill.errors import InputError, MissingRow
from labelmill.feed.manifest import MANIFEST
from labelmill.feed.training_set import TrainingSet
from labelmill.settings import Settings
from labelmill.store.client import open_client
from labelmill.store.tables import TRAINING_SETS


def find(settings: Settings, named: str) -> TrainingSet:
    """Opens a training set by folder, URI, digest, start of a digest, or name (the newest of it).

    Raises:
        MissingRow: None is known by that; says which are.
        InputError: The start of a digest fits several.
        ArtifactError: A shard is not what was frozen.
    """
    if "://" in named or os.path.isfile(os.path.join(named, MANIFEST)):
        return TrainingSet.open(named)
    client = open_client(settings)
    try:
        columns = ["digest", "name", "location", "created_at"]
        client.ensure(TRAINING_SETS)
        rows = sorted(client.scan(TRAINING_SETS, columns), key=lambda row: str(row["created_at"]))
    finally:
        client.close()
    by_name = [row for row in rows if row["name"] == named][-1:]
    fitting = by_name or [
        row for row in rows if len(named) >= 6 and str(row["digest"]).startswith(named)
    ]
    if len(fitting) > 1:
        raise InputError(f"training set {named!r} fits several digests; give more of it")
    if not fitting:
        known = ", ".join(f"{row['name']} ({str(row['digest'])[:12]})" for row in rows[-10:])
        raise MissingRow(
            f"no training set {named!r}; known are: {known or 'none'}. Give a name, six letters or "
            "more of a digest, or a folder; freeze one with jobs/freeze_training_set.py"
        )
    return TrainingSet.open(str(fitting[0]["location"]))


def measured_on(digest: str, split: str) -> str:
    """What ``evaluations.slice`` says of a measurement on one split of a training set."""
    return f"training set {digest} split {split}"


def digest_measured_on(text: str) -> str | None:
    """The training set that ``evaluations.slice`` names; None: a query."""
    found = _MEASURED_ON.fullmatch(text)
    return found[1] if found else None


_MEASURED_ON = re.compile(measured_on("([0-9a-f]{64})", r"\w+"))

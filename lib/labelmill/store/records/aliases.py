"""Movable pointers to model versions. Moving one is the hot swap."""

from __future__ import annotations

from datetime import datetime, timezone

from labelmill.errors import MissingRow
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import ALIASES


def resolve(client: RowClient, model: str, alias: str) -> int:
    """Returns the version that the alias points to now.

    Raises:
        MissingRow: No such alias; the message lists the model's aliases and versions.
    """
    known = {
        str(row["alias"]): int(str(row["version"]))
        for row in client.scan(ALIASES, ["alias", "version"], {"model": model})
    }
    if alias in known:
        return known[alias]
    aliases = ", ".join(f"{a} → {v}" for a, v in sorted(known.items())) or "none"
    raise MissingRow(
        f"model {model!r} has no alias {alias!r}. Aliases: {aliases}; versions: "
        f"{_versions(client, model)}. Set it with `evaluate_models.py --promote` or "
        f"`labelmill models alias`."
    )


def current(client: RowClient, model: str, alias: str) -> int | None:
    """The version that the alias points to now; None: there is no such alias."""
    client.ensure(ALIASES)
    found = client.scan(ALIASES, ["version"], {"model": model, "alias": alias})
    return next((int(str(row["version"])) for row in found), None)


def move(client: RowClient, model: str, alias: str, version: int) -> None:
    """Points the alias to an existing version.

    Raises:
        MissingRow: No such version.
    """
    if version not in models.versions(client, model):
        raise MissingRow(
            f"model {model!r} has no version {version}, so alias {alias!r} was not moved; "
            f"versions: {_versions(client, model)}"
        )
    row = {
        "model": model,
        "alias": alias,
        "version": version,
        "moved_at": datetime.now(timezone.utc),
    }
    before = list(client.scan(ALIASES, where={"model": model, "alias": alias}))
    client.write(ALIASES, [row])
    if version not in models.versions(client, model):  # a prune was quicker
        client.write(ALIASES, before or [row], "upsert" if before else "delete_ignore")
        raise MissingRow(f"version {version} of model {model!r} was removed just now; alias {alias!r} stays where it was")  # fmt: skip


def _versions(client: RowClient, model: str) -> str:
    return models.versions_text(models.versions(client, model))

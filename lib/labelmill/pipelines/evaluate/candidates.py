"""Which versions of a model are meant, and in which order of merit their sweeps left them.

An objective is comparable within its sweep only: another sweep may have measured another metric, on
another training set. So the newest sweep's versions come before those of older ones, each sweep's in
its own order; versions of no sweep come last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from labelmill.errors import InputError, MissingRow
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import SWEEPS, TRIALS


@dataclass(frozen=True)
class Candidate:
    """One version.

    Attributes:
        version: Number.
        metric: The sweep's objective at the end of its trial; None when it came from no sweep.
        maximize: Whether more of it is better.
        reserved: First version that its sweep took; the newer the sweep, the larger.
    """

    version: int
    metric: float | None = None
    maximize: bool = True
    reserved: int = 0

    @property
    def rank(self) -> tuple[bool, int, float, int]:
        """Smaller is better: newest sweep first, best metric first; last what has no metric."""
        if self.metric is None:
            return True, 0, 0.0, -self.version
        merit = -self.metric if self.maximize else self.metric
        return False, -self.reserved, merit, self.version


def candidates(client: RowClient, model: str, chosen: str) -> list[Candidate]:
    """The versions that `chosen` means, in order of number.

    Args:
        client: Open client.
        model: Model name.
        chosen: ``all``, ``best:N`` (of the newest sweep first), or numbers with commas.

    Raises:
        InputError: `chosen` is none of these.
        MissingRow: The model has no versions, or not these.
    """
    known = {c.version: c for c in _known(client, model)}
    if not known:
        raise MissingRow(f"model {model!r} has no versions; train some with jobs/train_models.py")
    if chosen == "all":
        return list(known.values())
    kind, _, number = chosen.partition(":")
    if kind == "best" and number.isdigit() and int(number) > 0:
        best = sorted(known.values(), key=lambda c: c.rank)[: int(number)]
        return sorted(best, key=lambda c: c.version)
    try:
        wanted = sorted({int(part) for part in chosen.split(",")})
    except ValueError:
        raise InputError(f"versions {chosen!r}; expected all, best:3 or 1,2,5") from None
    missing = [v for v in wanted if v not in known]
    if missing:
        raise MissingRow(
            f"model {model!r} has no version {', '.join(map(str, missing))}; versions: "
            f"{', '.join(map(str, known))}"
        )
    return [known[v] for v in wanted]


def _known(client: RowClient, model: str) -> list[Candidate]:
    client.ensure(TRIALS)
    client.ensure(SWEEPS)
    columns = ["sweep_id", "plan", "first_version"]
    sweeps = {
        row["sweep_id"]: (_maximizes(str(row["plan"])), int(str(row["first_version"])))
        for row in client.scan(SWEEPS, columns, {"model": model})
    }
    known = {version: Candidate(version) for version in models.versions(client, model)}
    columns = ["sweep_id", "version", "metric"]
    for row in client.scan(TRIALS, columns, {"model": model, "state": "done"}):
        version, metric = int(str(row["version"])), row["metric"]
        if version in known and metric is not None:
            more, reserved = sweeps.get(row["sweep_id"], (True, 0))
            known[version] = Candidate(version, float(str(metric)), more, reserved)
    return list(known.values())


def _maximizes(plan: str) -> bool:
    try:
        return bool(json.loads(plan)["objective"]["goal"] != "minimize")
    except (ValueError, KeyError, TypeError):
        return True

"""Selects versions of a model and ranks them by the metrics of their sweeps.

Objectives are comparable only within one sweep: another sweep may have measured another metric, on
another training set. So versions of the newest sweep rank before those of older sweeps, each sweep
in its own order; versions that came from no sweep rank last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from labelmill.errors import InputError, MissingRow
from labelmill.store.client import RowClient
from labelmill.store.records import models, texts
from labelmill.store.schema.tables import SWEEPS, TRIALS


@dataclass(frozen=True)
class Candidate:
    """A version that can be evaluated.

    Attributes:
        version: Its number.
        metric: The sweep's objective at the end of its trial; None when it came from no sweep.
        maximize: Whether a larger metric is better.
        first_version: First version that its sweep reserved; larger for newer sweeps.
    """

    version: int
    metric: float | None = None
    maximize: bool = True
    first_version: int = 0

    @property
    def rank(self) -> tuple[bool, int, float, int]:
        """Smaller is better: newest sweep first, then best metric; versions without one last."""
        if self.metric is None:
            return True, 0, 0.0, -self.version
        merit = -self.metric if self.maximize else self.metric
        return False, -self.first_version, merit, self.version


def select_candidates(client: RowClient, model: str, chosen: str) -> list[Candidate]:
    """Selects versions, in order of number.

    Args:
        client: Open client.
        model: Model name.
        chosen: ``all``, ``best:N`` (the N best by `Candidate.rank`), or numbers such as ``1,2,5``.

    Raises:
        InputError: `chosen` is none of these.
        MissingRow: The model has no versions, or lacks one of these.
    """
    known = {c.version: c for c in _all_candidates(client, model)}
    if not known:
        raise MissingRow(f"model {model!r} has no versions; train some with jobs/train_models.py")
    if chosen == "all":
        return list(known.values())
    kind, _, number = chosen.partition(":")
    if kind == "best" and number.isdigit() and int(number) > 0:
        best = sorted(known.values(), key=lambda c: c.rank)[: int(number)]
        return sorted(best, key=lambda c: c.version)
    try:
        numbers = sorted({int(part) for part in chosen.split(",")})
    except ValueError:
        raise InputError(f"versions {chosen!r}; expected all, best:3 or 1,2,5") from None
    missing = [v for v in numbers if v not in known]
    if missing:
        raise MissingRow(
            f"model {model!r} has no version {models.versions_text(missing)}; versions: "
            f"{models.versions_text(list(known))}"
        )
    return [known[v] for v in numbers]


def _all_candidates(client: RowClient, model: str) -> list[Candidate]:
    client.ensure(TRIALS)
    client.ensure(SWEEPS)
    columns = ["sweep_id", "plan", "first_version"]
    sweeps = {
        row["sweep_id"]: (_is_maximized(str(row["plan"])), int(str(row["first_version"])))
        for row in texts.read(client, SWEEPS, columns, {"model": model})
    }
    known = {version: Candidate(version) for version in models.versions(client, model)}
    columns = ["sweep_id", "version", "metric"]
    for row in client.scan(TRIALS, columns, {"model": model, "state": "done"}):
        version, metric = int(str(row["version"])), row["metric"]
        if version in known and metric is not None:
            maximize, first = sweeps.get(row["sweep_id"], (True, 0))
            known[version] = Candidate(version, float(str(metric)), maximize, first)
    return list(known.values())


def _is_maximized(plan: str) -> bool:
    try:
        return bool(json.loads(plan)["objective"]["goal"] != "minimize")
    except (ValueError, KeyError, TypeError):
        return True

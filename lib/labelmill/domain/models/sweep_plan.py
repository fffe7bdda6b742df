"""A sweep file: the settings of a parameter variation.

::

    name: digits                       # of the sweep
    model: digits                      # its versions are the trials
    objective: {metric: validation_accuracy, goal: maximize}
    search: grid
    preparation: [grey, {resize: [8, 8]}]
    seed: 1
    fixed: {family: mlp, epochs: 20}
    vary:
      learning_rate: [0.01, 0.03]
      hidden: [[100], [500, 100]]

``vary`` gives every combination; the last key varies fastest, as in nested loops. An explicit list
``settings: [{…}, …]`` replaces ``vary`` when not every combination is wanted.
``preparation`` may vary too. A parameter that some families of the sweep do not take (``hidden``
for ``softmax``) is left out of their settings; settings that are then equal are merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelmill.domain.models.setting import (
    Setting,
    canonical,
    combinations,
    distinct,
    mapping,
    short_hash,
)
from labelmill.errors import InputError, UnknownName

__all__ = ["Setting", "SweepPlan"]

KEYS = ("name", "model", "objective", "search", "preparation", "seed", "fixed", "vary", "settings")
METRICS = {
    "validation_accuracy": "maximize",
    "validation_loss": "minimize",
    "train_accuracy": "maximize",
    "train_loss": "minimize",
}
"""Objectives of a sweep, and whether more or less is better."""

SEARCHES = ("grid",)

NAME_BYTES = 1_000
"""Longest name of a sweep or model, in bytes of UTF-8: names are keys."""


@dataclass(frozen=True)
class SweepPlan:
    """A checked sweep file.

    Args:
        name: Of the sweep.
        model: Model whose versions the trials become.
        metric: Objective, one of :data:`METRICS`.
        goal: ``maximize`` or ``minimize``.
        search: ``grid``.
    """

    name: str
    model: str
    metric: str
    goal: str
    search: str
    _settings: tuple[Setting, ...]

    @classmethod
    def parse(cls, data: object) -> SweepPlan:
        """Reads the content of a sweep file.

        Raises:
            UnknownName: An unknown key, family, metric or step; suggests the closest match.
            InputError: A value of the wrong kind, both or neither of ``vary`` and
                ``settings``, or too many settings.
        """
        top = mapping("a sweep file", data, KEYS)
        objective = mapping("objective", top.get("objective", {}), ("metric", "goal"))
        metric = _choice("metric", objective.get("metric", "validation_accuracy"), METRICS)
        return cls(
            name=_text("name", top.get("name")),
            model=_text("model", top.get("model", top.get("name"))),
            metric=metric,
            goal=_choice("goal", objective.get("goal", METRICS[metric]), ("maximize", "minimize")),
            search=_choice("search", top.get("search", "grid"), SEARCHES),
            _settings=distinct(combinations(top)),
        )

    def settings(self) -> list[Setting]:
        """The settings, numbered from 0 in the order of the file."""
        return list(self._settings)

    def better(self, a: float, b: float) -> bool:
        """Whether objective value ``a`` is better than ``b``."""
        return a > b if self.goal == "maximize" else a < b

    def to_json(self) -> str:
        """Canonical JSON of everything that defines the sweep, with defaults and all settings.

        :meth:`parse` turns it back into an equal plan.
        """
        return canonical(
            {
                "name": self.name,
                "model": self.model,
                "objective": {"metric": self.metric, "goal": self.goal},
                "search": self.search,
                "settings": [
                    {"family": s.family, **s.parameters, "preparation": s.preparation.to_list()}
                    for s in self._settings
                ],
            }
        )

    def sweep_id(self, training_set_digest: str) -> str:
        """16 hex digits: a hash of the plan and of the training set."""
        return short_hash(f"{self.to_json()}\n{training_set_digest}")


def _choice(kind: str, value: object, known: Mapping[str, object] | Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise UnknownName(kind, str(value), list(known))
    return value


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"expected `{key}` as a name, received {value!r}")
    if (size := len(value.encode("utf-8", "surrogatepass"))) > NAME_BYTES:
        raise InputError(f"`{key}` has {size:,} bytes, expected a name of at most {NAME_BYTES:,}")
    return value

"""The settings of a sweep, one per trial. How a file writes them: see ``sweep_plan``."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelmill.domain.models.parameters import (
    FAMILY_NAMES,
    PARAMETERS,
    check_family,
    checked,
    resolve,
)
from labelmill.domain.models.preparation import Preparation
from labelmill.errors import InputError, UnknownName

MOST_SETTINGS = 100_000
"""A sweep with more settings is taken for a mistake."""

_SETTING_KEYS = ("family", "preparation", *PARAMETERS)


@dataclass(frozen=True)
class Setting:
    """The setting of one trial.

    Args:
        number: 0, 1, 2 … in the order of the plan.
        trial_id: 16 hex digits: a hash of family, parameters (defaults filled in) and preparation.
        family: Name of a family.
        parameters: Every parameter of the family, seed included.
        preparation: Pixel pipeline.
    """

    number: int
    trial_id: str
    family: str
    parameters: dict[str, object]
    preparation: Preparation

    def to_json(self) -> str:
        """Canonical JSON: family, parameters, preparation."""
        return canonical(_content(self.family, self.parameters, self.preparation))


def combinations(top: Mapping[str, object]) -> list[dict[str, object]]:
    """Lists the settings of a sweep file, before defaults.

    Raises:
        UnknownName: An unknown key.
        InputError: Both or neither of ``vary`` and ``settings``, a key in both ``fixed`` and
            ``vary``, an empty list, or too many settings.
    """
    if ("vary" in top) == ("settings" in top):
        raise InputError("a sweep file has either `vary: {key: [values]}` or `settings: [{…}, …]`")
    base: dict[str, object] = {"preparation": top.get("preparation"), "seed": top.get("seed", 0)}
    fixed = mapping("fixed", top.get("fixed") or {}, _SETTING_KEYS)
    base |= fixed
    if "settings" in top:
        listed = top["settings"]
        if not isinstance(listed, list) or not listed:
            raise InputError(
                f"expected `settings` as a list of one or more mappings, received {listed!r}"
            )
        _check_count(len(listed))
        return [base | mapping(f"settings[{i}]", s, _SETTING_KEYS) for i, s in enumerate(listed)]
    vary = mapping("vary", top["vary"], _SETTING_KEYS)
    for key in vary:
        if key in fixed:
            raise InputError(f"`{key}` is both fixed and varied; drop one")
    count = 1
    for key, values in vary.items():
        if not isinstance(values, list) or not values:
            raise InputError(
                f"expected `vary.{key}` as a list of one or more values, received {values!r}"
            )
        count *= len(values)
    _check_count(count)
    lists = [values for values in vary.values() if isinstance(values, list)]
    return [base | dict(zip(vary, values, strict=True)) for values in itertools.product(*lists)]


def distinct(combinations: Sequence[dict[str, object]]) -> tuple[Setting, ...]:
    """Fills in defaults, merges settings that are then equal, and numbers them from 0.

    Raises:
        UnknownName: An unknown family or preparation step.
        InputError: No family, a value of the wrong kind, or a parameter that no family here takes.
    """
    for given in combinations:
        if "family" not in given:
            raise InputError(f"no `family` is given; expected one of: {', '.join(FAMILY_NAMES)}")
        check_family(given["family"])
    families = {str(given["family"]) for given in combinations}
    for key in sorted({key for given in combinations for key in given} & set(PARAMETERS)):
        takers = PARAMETERS[key].default
        if not families & set(takers):
            raise InputError(
                f"parameter `{key}` is for family {', '.join(takers)}; the sweep has {', '.join(sorted(families))}"
            )
    found: dict[str, Setting] = {}
    for given in combinations:
        family = str(given["family"])
        parameters = {k: checked(k, v) for k, v in given.items() if k in PARAMETERS}
        parameters = resolve(
            family, {k: v for k, v in parameters.items() if family in PARAMETERS[k].default}
        )
        steps = given["preparation"]
        preparation = Preparation.parse(steps)  # type: ignore[arg-type]
        trial_id = short_hash(canonical(_content(family, parameters, preparation)))
        if trial_id not in found:
            found[trial_id] = Setting(len(found), trial_id, family, parameters, preparation)
    return tuple(found.values())


def mapping(where: str, value: object, known: Sequence[str]) -> dict[str, object]:
    """Returns the value if it is a mapping with known keys.

    Raises:
        UnknownName: Another key; suggests the closest match.
        InputError: Not a mapping.
    """
    if not isinstance(value, Mapping):
        raise InputError(
            f"expected {where} as a mapping with keys of: {', '.join(known)}; received {value!r}"
        )
    for key in value:
        if key not in known:
            raise UnknownName(f"key in {where}", str(key), known)
    return dict(value)


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _content(
    family: str, parameters: Mapping[str, object], preparation: Preparation
) -> dict[str, object]:
    return {"family": family, "parameters": dict(parameters), "preparation": preparation.to_list()}


def short_hash(text: str) -> str:
    """16 hex digits of the text\'s SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_count(count: int) -> None:
    if count > MOST_SETTINGS:
        raise InputError(
            f"the sweep has {count:,} settings, more than the cap of {MOST_SETTINGS:,}"
        )

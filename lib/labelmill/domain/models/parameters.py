"""Families and learning parameters: declared here once, learned in ``learning``.

A sweep file is read where nothing is learned (no TensorFlow), so names, kinds and defaults live in
the domain. Whether a *value* learns anything is found by training: only its kind is checked here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from labelmill.errors import InputError, UnknownName

FAMILY_NAMES = ("softmax", "mlp")

Kind = Literal["number", "whole number", "yes or no", "list of whole numbers", "word"]


@dataclass(frozen=True)
class Parameter:
    """One learning parameter.

    Args:
        name: Key in sweep files.
        kind: What values are.
        default: Value by family; a family that is not named does not take the parameter.
        comment: Meaning and unit.
        words: The words to choose from, for kind ``word``.
        bounds: Least value and the value it must stay below, where training can mean no other.
    """

    name: str
    kind: Kind
    default: Mapping[str, object]
    comment: str
    words: tuple[str, ...] = ()
    bounds: tuple[float, float] = (-math.inf, math.inf)


def _both(value: object) -> dict[str, object]:
    return dict.fromkeys(FAMILY_NAMES, value)


PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            "learning_rate",
            "number",
            {"softmax": 0.01, "mlp": 0.03},
            "step size of gradient descent at the start",
            bounds=(0, math.inf),
        ),
        Parameter(
            "schedule",
            "word",
            _both("cosine"),
            "constant, or cosine: the rate falls to zero along half a cosine over all steps",
            ("constant", "cosine"),
        ),
        Parameter(
            "epochs", "whole number", _both(10), "passes over the train split", bounds=(1, math.inf)
        ),
        Parameter("batch_size", "whole number", _both(128), "images a step", bounds=(1, math.inf)),
        Parameter("momentum", "number", _both(0.98), "of SGD, 0..1", bounds=(0, 1)),
        Parameter("nesterov", "yes or no", _both(True), "Nesterov's momentum"),
        Parameter(
            "l2",
            "number",
            {"softmax": 0.0, "mlp": None},
            "weight of the squared kernels in the loss; mlp: learning_rate × 0.005 unless given",
            bounds=(0, math.inf),
        ),
        Parameter(
            "hidden",
            "list of whole numbers",
            {"mlp": [500, 100]},
            "neurons of each hidden layer",
            bounds=(1, math.inf),
        ),
        Parameter(
            "dropout",
            "number",
            {"mlp": 0.0},
            "share of hidden outputs dropped while learning, 0..1",
            bounds=(0, 1),
        ),
        Parameter(
            "seed",
            "whole number",
            _both(0),
            "of initial weights, order of images and dropout",
            bounds=(0, 1 << 31),
        ),
    )
}

# The field's earlier system set the penalty by the rate.
L2_OF_RATE = 0.005


def check_family(name: object) -> str:
    """The name when it is a family's.

    Raises:
        UnknownName: It is not; suggests the closest match.
    """
    if name not in FAMILY_NAMES:
        raise UnknownName("family", str(name), FAMILY_NAMES)
    return str(name)


def resolve(family: str, given: Mapping[str, object]) -> dict[str, object]:
    """All parameters of one training run: what was given, checked, and the family's defaults.

    Args:
        family: Name of a family.
        given: Some parameters.

    Raises:
        UnknownName: No such family, or a key that is not a parameter of it.
        InputError: A value of another kind.
    """
    known = [p for p in PARAMETERS.values() if check_family(family) in p.default]
    for key in given:
        if key not in {p.name for p in known}:
            raise UnknownName(f"parameter of {family}", key, [p.name for p in known])
    resolved = {p.name: checked(p.name, given.get(p.name, p.default[family])) for p in known}
    if resolved["l2"] is None:
        rate = resolved["learning_rate"]
        assert isinstance(rate, float)
        resolved["l2"] = rate * L2_OF_RATE
    return resolved


def checked(name: str, value: object) -> object:
    """The value of one parameter in its plain form (numbers as float).

    Raises:
        UnknownName: No such parameter, or a word that is not to choose from.
        InputError: A value of another kind.
    """
    if name not in PARAMETERS:
        raise UnknownName("parameter", name, PARAMETERS)
    parameter = PARAMETERS[name]
    if parameter.kind == "number":
        if value is None and name == "l2":
            return None
        plain = _number(value)
        if plain is not None:
            return plain
    elif type(value) is {"whole number": int, "yes or no": bool}.get(parameter.kind):
        return value
    elif parameter.kind == "word" and isinstance(value, str):
        if value not in parameter.words:
            raise UnknownName(name, value, parameter.words)
        return value
    elif parameter.kind == "list of whole numbers" and (
        isinstance(value, (list, tuple)) and all(type(item) is int for item in value)
    ):
        return list(value)
    raise InputError(f"expected parameter `{name}` as a {parameter.kind}, received {value!r}")


def check_values(parameters: Mapping[str, object]) -> None:
    """Checks that training can mean the values; called when a trial starts, not when a plan is read.

    Raises:
        InputError: A value out of its parameter's bounds; the trial fails, the sweep continues.
    """
    for name, value in parameters.items():
        least, below = PARAMETERS[name].bounds
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, (int, float)) and not least <= item < below:
                raise InputError(
                    f"parameter `{name}` must be {least:g} or more"
                    f"{'' if below == math.inf else f' and below {below:g}'}, received {value!r}"
                )


def _number(value: object) -> float | None:
    # YAML 1.1 reads 1e-3 (without a dot) as text, though a number is intended.
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)

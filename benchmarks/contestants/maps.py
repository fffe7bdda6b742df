"""Maps by name, for command lines: ``flip``, ``shift:2,2``, ``prepared:["grey",{"resize":[28,28]}]``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from labelmill.errors import InputError, UnknownName
from labelmill.feed.maps import augment
from labelmill.feed.maps.base import ArrayMap
from labelmill.feed.maps.preparation import prepared

MAPS: dict[str, Callable[..., ArrayMap]] = {
    "prepared": lambda *steps: prepared(*steps),
    "flip": augment.flip,
    "rotate90": augment.rotate90,
    "shift": augment.shift,
    "crop": augment.crop,
    "brightness": augment.brightness,
    "noise": augment.noise,
}
"""Name → what makes the map of its arguments."""


def maps_of(texts: Sequence[str]) -> list[ArrayMap]:
    """Maps in the order named, each ``NAME`` or ``NAME:ARGUMENTS`` (JSON values with commas between).

    Raises:
        UnknownName: No such map.
        InputError: Arguments that are none of its.
    """
    return [_map(text) for text in texts]


def _map(text: str) -> ArrayMap:
    name, _, given = text.partition(":")
    if name not in MAPS:
        raise UnknownName("map", name, MAPS)
    try:
        arguments: list[Any] = json.loads(f"[{given}]")
        return MAPS[name](*arguments)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"map {text!r}: {error}; expected NAME or NAME:ARGUMENTS, for example shift:2,2"
        ) from None

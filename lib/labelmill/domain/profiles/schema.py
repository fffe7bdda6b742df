"""What new images should be like: inferred from a profile, kept as JSON, edited by people.

::

    {"kind": "labelmill.schema", "format": 1,
     "origin": "mnist 1f2e3d4c5b6a", "images": 60000,
     "dtypes": ["uint8"], "channels": [1], "width": [28, 28], "height": [28, 28],
     "classes": {"0": 0.0987, …}, "class_shift": 0.05,
     "brightness": {"median": 0.13, "shift": 0.05}, "contrast": …, "ink": …,
     "at_most": {"without_truth": 0.05, "conflicts": 0.01, …},
     "splits": ["test", "train"],
     "attributes": {"camera": {"types": ["string"], "presence": 1.0}}}

Shares are 0..1 of the images; a class' share is of the images that have one. ``classes`` null: any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from labelmill.domain.profiles.profile import UNSPLIT, Profile
from labelmill.domain.profiles.quantiles import Spread
from labelmill.errors import InputError, UnknownName

KIND, FORMAT = "labelmill.schema", 1

CLASS_SHIFT = 0.05
"""Largest difference of a class' share (L∞, as TFDV's skew and drift comparator) that is fine."""

SHIFT = 0.05
"""Least difference of medians, of the range of pixels, that counts as a shift."""

SIZE_ROOM = 1.25
"""Sizes that vary may go beyond what was seen by this factor; sizes that do not, may not."""

SHARES: dict[str, tuple[Callable[[Profile], int], float]] = {
    "without_truth": (lambda p: p.without_truth, 0.05),
    "conflicts": (lambda p: p.conflicts, 0.01),
    "exact_duplicates": (lambda p: p.exact.images, 0.01),
    "near_duplicates": (lambda p: p.near.images, 0.02),
    "leaks": (lambda p: p.leaks, 0.0),
    "near_leaks": (lambda p: p.near_leaks, 0.01),
    "blank": (lambda p: p.blank, 0.01),
    "unreadable": (lambda p: p.unreadable, 0.0),
    "quarantined": (lambda p: sum(p.quarantined.values()), 0.01),
}
"""Shares that have an upper bound: images of a profile, and the room above what was seen; without
room the bound is 0, whatever was seen."""


@dataclass(frozen=True)
class ExpectedQuantity:
    """Median of a quantity, and by how much another one may differ."""

    median: float
    shift: float


@dataclass(frozen=True)
class ExpectedAttribute:
    """JSON types that were seen, and the share of images that had the key."""

    types: list[str]
    presence: float


@dataclass(frozen=True)
class Schema:
    """What is expected; see the module for the meaning of each field."""

    origin: str
    images: int
    dtypes: list[str]
    channels: list[int]
    width: list[int]
    height: list[int]
    classes: dict[str, float] | None
    class_shift: float
    brightness: ExpectedQuantity
    contrast: ExpectedQuantity
    ink: ExpectedQuantity
    at_most: dict[str, float]
    splits: list[str]
    attributes: dict[str, ExpectedAttribute]

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        return {"kind": KIND, "format": FORMAT, **asdict(self)}


def share_of(about: str, profile: Profile) -> float:
    """The share that a bound of `SHARES` is about, 0..1: of images, or of files for ``quarantined``."""
    number = SHARES[about][0](profile)
    return (
        number / max(1, profile.images + number)
        if about == "quarantined"
        else profile.share(number)
    )


def infer(profile: Profile) -> Schema:
    """The schema that the profile itself fits, with room for chance."""
    truth = sum(profile.classes.values())
    listed = truth and not profile.other_classes
    return Schema(
        origin=f"{profile.collection} {profile.digest[:12]}",
        images=profile.images,
        dtypes=sorted(profile.dtypes),
        channels=sorted(int(n) for n in profile.channels),
        width=_range(profile.width),
        height=_range(profile.height),
        classes={c: round(n / truth, 6) for c, n in profile.classes.items()} if listed else None,
        class_shift=CLASS_SHIFT,
        brightness=_expected(profile.brightness.spread),
        contrast=_expected(profile.contrast.spread),
        ink=_expected(profile.ink.spread),
        at_most={
            name: round(min(1.0, share_of(name, profile) + room), 6) if room else 0.0
            for name, (_, room) in SHARES.items()
        },
        splits=sorted(s for s in profile.splits if s != UNSPLIT),
        attributes={
            key: ExpectedAttribute(sorted(a.types), round(profile.share(a.images), 6))
            for key, a in profile.attributes.items()
        },
    )


def read_schema(document: Any, name: str) -> Schema:
    """A schema from JSON, checked.

    Args:
        document: What `Schema.to_json` gives, or a person made of it; or an object that holds one
            under ``schema``.
        name: Of the file or row, for errors.

    Raises:
        InputError: Not a schema, or an invalid field; says which.
    """
    if isinstance(document, Mapping) and isinstance(document.get("schema"), Mapping):
        document = document["schema"]
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        raise InputError(
            f'{name} is not a schema: expected a JSON object with "kind": "{KIND}", as '
            "profile_collection.py --schema FILE.json writes it"
        )
    if document.get("format") != FORMAT:
        raise InputError(f"{name} has format {document.get('format')!r}; expected {FORMAT}")
    try:
        return _read(document)
    except UnknownName:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"invalid schema {name}: {what}") from None


def _read(document: Mapping[str, Any]) -> Schema:
    at_most = {str(k): _number(v, f"at_most.{k}") for k, v in document["at_most"].items()}
    for key in at_most:
        if key not in SHARES:
            raise UnknownName("share in at_most", key, SHARES)
    classes = document["classes"]
    return Schema(
        origin=str(document["origin"]),
        images=int(document["images"]),
        dtypes=[str(name) for name in document["dtypes"]],
        channels=[int(n) for n in document["channels"]],
        width=_pair(document["width"], "width"),
        height=_pair(document["height"], "height"),
        classes=None
        if classes is None
        else {str(c): _number(share, f"classes.{c}") for c, share in classes.items()},
        class_shift=_number(document["class_shift"], "class_shift"),
        brightness=_median(document["brightness"], "brightness"),
        contrast=_median(document["contrast"], "contrast"),
        ink=_median(document["ink"], "ink"),
        at_most=at_most,
        splits=[str(name) for name in document["splits"]],
        attributes={
            str(key): ExpectedAttribute(
                [str(t) for t in value["types"]], _number(value["presence"], f"attributes.{key}")
            )
            for key, value in document["attributes"].items()
        },
    )


def _range(seen: Spread) -> list[int]:
    if seen.least == seen.most:
        return [int(seen.least), int(seen.most)]
    return [math.floor(seen.least / SIZE_ROOM), math.ceil(seen.most * SIZE_ROOM)]


def _expected(seen: Spread) -> ExpectedQuantity:
    return ExpectedQuantity(seen.median, round(max(SHIFT, seen.q75 - seen.q25), 6))


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"expected {field} to be 0 to 1, received {value!r}")
    return float(value)


def _pair(value: Any, field: str) -> list[int]:
    pair = [int(n) for n in value]
    if len(pair) != 2 or not 0 <= pair[0] <= pair[1]:
        raise ValueError(f"expected {field} to be [least, most], received {value!r}")
    return pair


def _median(value: Mapping[str, Any], field: str) -> ExpectedQuantity:
    return ExpectedQuantity(
        _number(value["median"], f"{field}.median"), _number(value["shift"], f"{field}.shift")
    )

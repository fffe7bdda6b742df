"""Where a profile deviates from a schema: sentences a person can act on. A pure decision.

Severities: ``error``: what was learned from the expected images does not hold for these; ``warning``:
look before you train; ``note``: good to know.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from labelmill.domain.profiles.profile import UNSPLIT, Profile, Quantity
from labelmill.domain.profiles.schema import SHARES, ExpectedQuantity, Schema, share_of

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

FAR = 0.10
"""A share this much above its bound is an error; less is a warning."""

GREAT = 3.0
"""A shift of this many times the allowed one is an error; less is a warning."""

SHOWN = 5
"""Names listed in a sentence."""

_SHARE_WORDS = {
    "without_truth": "images without a class",
    "conflicts": "images whose imports name different classes",
    "exact_duplicates": "images with the pixels of another one",
    "near_duplicates": "images that look like another one",
    "leaks": "held-out images whose pixels are also in a split they must not be in",
    "near_leaks": "held-out images that look like one in a split they must not be in",
    "blank": "blank images",
    "unreadable": "images that cannot be read",
    "quarantined": "quarantined files",
}
_ALWAYS_ERRORS = ("leaks", "unreadable")


@dataclass(frozen=True)
class Deviation:
    """One deviation.

    Args:
        severity: One of `SEVERITIES`.
        about: Field of the schema.
        sentence: "…: received …, expected …".
    """

    severity: Severity
    about: str
    sentence: str


def deviations(profile: Profile, schema: Schema) -> list[Deviation]:
    """All deviations, the worst first."""
    found = [
        *_arrays(profile, schema),
        *_classes(profile, schema),
        *_shifts(profile, schema),
        *_shares(profile, schema),
        *_splits(profile, schema),
        *_attributes(profile, schema),
        *_count(profile, schema),
    ]
    return sorted(found, key=lambda d: SEVERITIES.index(d.severity))


def _arrays(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    dtypes, channels = schema.dtypes, [str(n) for n in schema.channels]
    for about, received, expected in (
        ("dtypes", profile.dtypes, dtypes),
        ("channels", profile.channels, channels),
    ):
        strange = {name: n for name, n in received.items() if name not in expected}
        if strange:
            images = sum(strange.values())
            yield Deviation(
                "error",
                about,
                f"{about}: received {_listed(strange)} in {_of(images, profile)}, "
                f"expected {' or '.join(expected)}",
            )
    for about, seen, (least, most) in (
        ("width", profile.width, schema.width),
        ("height", profile.height, schema.height),
    ):
        if seen.least < least or seen.most > most:
            fixed = least == most
            severe = fixed or not least <= seen.median <= most
            wanted = f"{least:,}" if fixed else f"{least:,} to {most:,}"
            yield Deviation(
                "error" if severe else "warning",
                about,
                f"{about}: received {seen.least:,.0f} to {seen.most:,.0f} pixels (median "
                f"{seen.median:,.0f}), expected {wanted}",
            )


def _classes(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    if schema.classes is None:
        return
    truth = sum(profile.classes.values())
    new = {c: n for c, n in profile.classes.items() if c not in schema.classes}
    if new or profile.other_classes:
        more = f" and {profile.other_classes:,} rarer classes" if profile.other_classes else ""
        yield Deviation(
            "error",
            "classes",
            f"new classes: received {_listed(new)}{more} in {sum(new.values()):,} of {truth:,} images "
            f"with a class, expected only {_listed(schema.classes)}",
        )
    if not truth:
        return  # reported by the share without truth
    missing = [c for c in schema.classes if c not in profile.classes]
    if missing:
        # Five are expected and none is found: by chance that happens less than once in a hundred times.
        certain = any(schema.classes[c] * truth >= 5 for c in missing)
        expected = ", ".join(f"{c!r} {_percent(schema.classes[c])}" for c in missing[:SHOWN])
        yield Deviation(
            "error" if certain else "warning",
            "classes",
            f"missing classes: received no image of {_listed(missing)} among {truth:,}, expected "
            f"{expected}",
        )
    yield from _class_shift(profile.classes, schema.classes, schema.class_shift)


def _class_shift(
    received: Mapping[str, int], expected: Mapping[str, float], allowed: float
) -> Iterator[Deviation]:
    truth = sum(received.values())
    shifts: list[tuple[float, float, str]] = []
    for name in received.keys() & expected.keys():
        share = received[name] / truth
        # Shares of few images vary by chance: three standard errors are not a shift.
        chance = 3 * math.sqrt(expected[name] * (1 - expected[name]) / truth)
        shifts.append((abs(share - expected[name]) - chance, share, name))
    far = sorted((s for s in shifts if s[0] > allowed), key=lambda s: (-round(s[0], 6), s[2]))
    if far:
        shown = "; ".join(
            f"{name}: received {_percent(share)}, expected {_percent(expected[name])}"
            for _, share, name in far[:SHOWN]
        )
        more = f"; {len(far) - SHOWN:,} more" if len(far) > SHOWN else ""
        largest = max(abs(share - expected[name]) for _, share, name in far)
        yield Deviation(
            "error" if far[0][0] > GREAT * allowed else "warning",
            "class_shift",
            f"class shares have moved by up to {100 * largest:.1f} points, above "
            f"{100 * allowed:.1f} and chance: {shown}{more}",
        )


def _shifts(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    table: tuple[tuple[str, str, Quantity, ExpectedQuantity], ...] = (
        ("brightness", "mean pixel", profile.brightness, schema.brightness),
        ("contrast", "standard deviation of pixels", profile.contrast, schema.contrast),
        ("ink", "share of pixels above half of the range", profile.ink, schema.ink),
    )
    for about, meaning, seen, expected in table:
        shift = abs(seen.spread.median - expected.median)
        if shift > expected.shift:
            yield Deviation(
                "error" if shift > GREAT * expected.shift else "warning",
                about,
                f"{about} ({meaning}): received a median of {seen.spread.median:.3f}, expected "
                f"{expected.median:.3f} ± {expected.shift:.3f}",
            )


def _shares(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    for about, bound in schema.at_most.items():
        images = SHARES[about][0](profile)
        share = share_of(about, profile)
        of = profile.images + images if about == "quarantined" else profile.images
        # A bound rounded to six digits must admit the value that it was rounded from.
        if share > bound + 1e-6:
            severe = about in _ALWAYS_ERRORS or share > bound + FAR
            yield Deviation(
                "error" if severe else "warning",
                about,
                f"{_SHARE_WORDS[about]}: received {images:,} ({_percent(share)} of "
                f"{of:,} {'files' if about == 'quarantined' else 'images'}), "
                f"expected at most {_percent(bound)}",
            )


def _splits(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    there = [s for s in profile.splits if s != UNSPLIT]
    missing = [s for s in schema.splits if s not in there]
    new = [s for s in there if s not in schema.splits]
    if missing:
        yield Deviation(
            "warning",
            "splits",
            f"splits: received {_listed(there)}, expected also {_listed(missing)}",
        )
    if new:
        expected = _listed(schema.splits)
        yield Deviation("note", "splits", f"splits: received {_listed(new)}, expected {expected}")


def _attributes(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    for key, expected in schema.attributes.items():
        found = profile.attributes.get(key)
        share = profile.share(found.images) if found else 0.0
        if share < expected.presence - 0.05:
            yield Deviation(
                "warning",
                "attributes",
                f"attribute {key!r}: received in {_percent(share)} of the images, expected in "
                f"{_percent(expected.presence)}",
            )
        strange = [t for t in (found.types if found else {}) if t not in expected.types]
        if strange:
            yield Deviation(
                "warning",
                "attributes",
                f"attribute {key!r}: received values of type {_listed(strange)}, expected "
                f"{' or '.join(expected.types)}",
            )
    new = [key for key in profile.attributes if key not in schema.attributes]
    if new:
        yield Deviation(
            "note",
            "attributes",
            f"new attributes: received {_listed(new)}, expected {_listed(schema.attributes)}",
        )


def _count(profile: Profile, schema: Schema) -> Iterator[Deviation]:
    if profile.images < schema.images / 2:
        yield Deviation(
            "note",
            "images",
            f"fewer images: received {profile.images:,}, expected about {schema.images:,}",
        )


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:SHOWN])
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{shown}{more}" if names else "none"


def _of(images: int, profile: Profile) -> str:
    return f"{images:,} of {profile.images:,} images ({_percent(profile.share(images))})"


def _percent(share: float) -> str:
    if share == 0:
        return "0 %"
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.3f} %"

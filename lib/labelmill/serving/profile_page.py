"""The page of a profile: one self-contained HTML file, for a laptop and for a phone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from labelmill.domain.profiles.profile import UNSPLIT
from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.pipelines.profile.examples import ShownImage
from labelmill.pipelines.profile.plan import ProfileResult
from labelmill.serving import html
from labelmill.version import __version__

MOST_CLASSES = 200
"""Most classes in the table; those with pictures come first."""

VERDICTS = {
    "error": "Deviates: check before you train",
    "warning": "Some things are not as expected",
    "note": "As expected",
    "none": "As expected",
    "first": "Nothing to compare with yet",
}

KINDS = {
    "brightness": "Brightness",
    "contrast": "Contrast",
    "ink": "Ink",
    "area": "Number of pixels",
    "shape": "Width to height",
    "unlike": "Unlike the rest of their class",
}
"""Headings of the outliers."""


@dataclass(frozen=True)
class Pair:
    """Two images side by side, with a caption."""

    one: ShownImage | None
    other: ShownImage | None
    images: int
    text: str
    classes_differ: bool


def render(profiled: ProfileResult) -> str:
    """The page as HTML; everything is inline, so it works offline and can be sent by mail."""
    profile = profiled.profile
    return html.template("profile.html.j2").render(
        it=profiled,
        p=profile,
        verdict=_verdict(profiled),
        verdicts=VERDICTS,
        classes=list(profile.classes.items())[:MOST_CLASSES],
        most=max(profile.classes.values(), default=1),
        moment=html.utc_text(profiled.snapshot_ms),
        split_names=[s for s in (*SPLITS_SHOWN, UNSPLIT) if s in profile.splits],
        exact=_exact(profiled),
        disputed=_near(profiled, disputed=True),
        near=_near(profiled, disputed=False),
        leaks=_leaks(profiled),
        blanks=[profiled.pictures[i] for i in profiled.blanks if i in profiled.pictures],
        outliers=_outliers(profiled),
        picture=html.picture,
        schema=json.dumps(profiled.schema.to_json(), indent=2, ensure_ascii=False),
        version=__version__,
    )


def write(profiled: ProfileResult, path: Path) -> Path:
    """Renders the page and writes it to ``path``."""
    return html.write_page(render(profiled), path)


def _verdict(profiled: ProfileResult) -> str:
    if profiled.against is None:
        return "first"
    return profiled.deviations[0].severity if profiled.deviations else "none"


def _exact(profiled: ProfileResult) -> list[Pair]:
    known = profiled.pictures
    return [
        Pair(
            known.get(group.first),
            known.get(group.last),
            group.images,
            f"{group.images:,} files with identical pixels",
            group.classes_differ,
        )
        for group in profiled.duplicates.exact_groups
    ]


def _near(profiled: ProfileResult, disputed: bool) -> list[Pair]:
    found, known = profiled.duplicates, profiled.pictures
    groups = found.near_groups.disputed if disputed else found.near_groups.largest
    return [
        Pair(
            known.get(found.names.get(group.a, "")),
            known.get(found.names.get(group.b, "")),
            group.images,
            f"{group.images:,} images, similarity {group.likeness:.3f}, {group.distance} bits differ",
            group.classes_differ,
        )
        for group in groups
        if disputed or not group.classes_differ
    ]


def _leaks(profiled: ProfileResult) -> list[tuple[str, int, int]]:
    exact, near = profiled.profile.exact.leaks, profiled.profile.near.leaks
    return [(name, exact.get(name, 0), near.get(name, 0)) for name in sorted({*exact, *near})]


def _outliers(
    profiled: ProfileResult,
) -> list[tuple[str, int, list[tuple[ShownImage, str, float]]]]:
    groups = []
    for feature, images in profiled.profile.outliers.items():
        listed = [
            (profiled.pictures[o.image_id], o.reason, o.score)
            for o in profiled.outliers
            if o.feature == feature and o.image_id in profiled.pictures
        ]
        groups.append((KINDS[feature], images, listed))
    return groups

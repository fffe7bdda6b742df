"""HTML fragments for notebooks: self-contained, escaped, styled for themselves only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labelmill.domain.codecs.pixels import Pixels
from labelmill.domain.images.image import thumbnail
from labelmill.serving import html

SIDE = 96
"""Largest side of a picture, in pixels of its image; a page of 60 of them stays below 1 MB."""


@dataclass(frozen=True)
class Figure:
    """One number that matters, with what it is."""

    value: str
    name: str
    bad: bool = False


def render(template: str, **values: Any) -> str:
    """A template of this room as HTML."""
    return html.template(template, "labelmill.api.results").render(
        **values, picture=html.picture, percent=html.percent
    )


def figures(*pairs: tuple[object, str], bad: Iterable[str] = ()) -> list[Figure]:
    """Numbers with their names; those named in `bad` are red when they are not 0."""
    red = set(bad)
    return [Figure(_text(value), name, name in red and bool(value)) for value, name in pairs]


def shares(counts: Mapping[str, int], most: int) -> tuple[list[tuple[str, int, float]], int]:
    """The largest counts as bars.

    Args:
        counts: Name → count.
        most: Bars at most.

    Returns:
        Name, count and length (0..100) of each bar, the longest first; how many names have none.
    """
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    top = max((count for _, count in largest), default=0) or 1
    return [(n, c, 100 * c / top) for n, c in largest[:most]], max(0, len(largest) - most)


def draw(pixels: Pixels) -> bytes:
    """A small PNG of an image ``(H, W, C)``, uint8 or uint16."""
    return thumbnail(pixels, SIDE)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

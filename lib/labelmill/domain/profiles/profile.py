"""Statistics of a collection: what to know before training on it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from labelmill.domain.profiles.quantiles import Spread

KIND, FORMAT = "labelmill.profile", 1

UNSPLIT = "none"
"""Name of the images that have no split."""


@dataclass(frozen=True)
class Quantity:
    """A quantity of images.

    Args:
        spread: Quantiles.
        bars: Histogram: images per twentieth of 0..1.
    """

    spread: Spread
    bars: list[int]


@dataclass(frozen=True)
class Shape:
    """One size and kind of array, and how many images have it."""

    width: int
    height: int
    channels: int
    dtype: str
    images: int


@dataclass(frozen=True)
class Attribute:
    """One key of the attributes.

    Args:
        images: Images that have it.
        types: JSON type → images.
    """

    images: int
    types: dict[str, int]


@dataclass(frozen=True)
class Duplicates:
    """Images that look the same.

    Args:
        groups: Groups of them.
        images: Images in groups.
        classes_differ: Groups whose images have several classes.
        leaks: ``"test in train"`` and so on → images of the first split whose group reaches into
            the second.
        complete: Whether everything was compared; else the figures are lower bounds.
    """

    groups: int = 0
    images: int = 0
    classes_differ: int = 0
    leaks: dict[str, int] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True)
class Profile:
    """Statistics of one collection at one moment; the same rows give the same profile.

    Args:
        collection: Name.
        images: How many.
        bytes: Of the source files together.
        file_bytes: Of one source file.
        width: Pixels.
        height: Pixels.
        shapes: The most frequent ones.
        channels: Number of channels (as text) → images.
        dtypes: dtype → images.
        classes: Class → images; the most frequent ones.
        other_classes: Classes that are not listed.
        class_splits: Class → split → images; as ``classes``.
        without_truth: Images without a class.
        conflicts: Images whose imports name different classes; they are without truth.
        splits: Split, or `UNSPLIT`, → images.
        brightness: Mean pixel, 0..1.
        contrast: Standard deviation of the pixels, 0..1.
        ink: Share of pixels above half of the range, 0..1.
        mean_image: PNG, 32×32 grey, base64: the mean of all thumbnails.
        blank: Images of one value.
        unreadable: Images whose thumbnail or pixels cannot be read.
        quarantined: Reason → files.
        attributes: Key → its statistics; the most frequent ones.
        source_time: First and last (ISO 8601, UTC) and images that have one; None when none has.
        exact: Different files with the same pixels.
        near: Other pixels, the same look; images with the same pixels stand for one look.
        distance: Bits in which the hashes of a near pair may differ.
        likeness: Least likeness of a near pair.
        outliers: Feature → images far outside.
        in_several_splits: Images that their sources have in several splits; the one that is held out
            furthest keeps them.
    """

    collection: str
    images: int
    bytes: int
    file_bytes: Spread
    width: Spread
    height: Spread
    shapes: list[Shape]
    channels: dict[str, int]
    dtypes: dict[str, int]
    classes: dict[str, int]
    other_classes: int
    class_splits: dict[str, dict[str, int]]
    without_truth: int
    conflicts: int
    splits: dict[str, int]
    brightness: Quantity
    contrast: Quantity
    ink: Quantity
    mean_image: str
    blank: int
    unreadable: int
    quarantined: dict[str, int]
    attributes: dict[str, Attribute]
    source_time: dict[str, Any] | None
    exact: Duplicates
    near: Duplicates
    distance: int
    likeness: float
    outliers: dict[str, int]
    in_several_splits: int = 0

    @property
    def leaks(self) -> int:
        """Held-out images whose pixels are also in a split that they must not be in."""
        return sum(self.exact.leaks.values())

    @property
    def near_leaks(self) -> int:
        """Held-out images that look like one in a split that they must not be in."""
        return sum(self.near.leaks.values())

    def share(self, images: int) -> float:
        """Of all images, 0..1."""
        return images / self.images if self.images else 0.0

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all statistics: the same for the same rows, whenever they were read."""
        fields = asdict(self)
        if not self.in_several_splits:
            del fields[
                "in_several_splits"
            ]  # as before there was such a count: what was accepted stays so
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        return {"kind": KIND, "format": FORMAT, "digest": self.digest, **asdict(self)}

"""How to profile a collection, and the result."""

from __future__ import annotations

from dataclasses import dataclass, field

from labelmill.domain.profiles.deviations import Deviation
from labelmill.domain.profiles.near_pairs import MOST_DISTANCE
from labelmill.domain.profiles.profile import Profile
from labelmill.domain.profiles.schema import Schema
from labelmill.errors import InputError
from labelmill.pipelines.profile.duplicates import FoundDuplicates
from labelmill.pipelines.profile.examples import ShownImage
from labelmill.pipelines.profile.outliers import Outlier

DISTANCE, LIKENESS = 4, 0.99
"""Defaults for near pairs. On MNIST, photographs and CIFAR-10 they find copies that were compressed,
scaled, brightened or made noisy, and few others (decision 0069)."""


@dataclass(frozen=True)
class ProfileResult:
    """A profile with everything that its page shows.

    Args:
        profile: The statistics.
        schema: Inferred from them.
        snapshot_ms: Moment that was read, milliseconds since 1970 UTC.
        against: What it was compared with; None: nothing.
        deviations: The worst first.
        class_means: Class → mean image, PNG in base64.
        examples: Class → image_ids.
        duplicates: Groups that are shown.
        outliers: Images that are shown.
        blanks: image_ids of blank images.
        pictures: image_id → what is shown of the image.
        schema_before: What it was compared with.
    """

    profile: Profile
    schema: Schema
    snapshot_ms: int
    against: str | None
    deviations: list[Deviation]
    class_means: dict[str, str]
    examples: dict[str, list[str]]
    duplicates: FoundDuplicates
    outliers: list[Outlier]
    blanks: list[str]
    pictures: dict[str, ShownImage] = field(repr=False)
    schema_before: Schema | None = None


@dataclass(frozen=True)
class ProfilePlan:
    """How a collection is profiled.

    Args:
        collection: Name.
        against: ``latest``, the first digits of a digest, another collection's name, or a schema's
            ``FILE.json``; None: nothing is compared.
        accept: Accept the profile as the one that ``latest`` names, whatever deviates.
        fail_on_deviation: Whether a deviation of severity error makes the job fail.
        snapshot_ms: Milliseconds since 1970 UTC; default now.
        distance: Most bits in which hashes of near duplicates differ, 0..8.
        likeness: Least likeness of near duplicates, 0..1.
    """

    collection: str
    against: str | None = None
    accept: bool = False
    fail_on_deviation: bool = False
    snapshot_ms: int | None = None
    distance: int = DISTANCE
    likeness: float = LIKENESS

    def check(self) -> None:
        """Refuses invalid arguments.

        Raises:
            InputError: Says which, and what was expected.
        """
        if not 0 <= self.distance <= MOST_DISTANCE:
            raise InputError(f"--distance {self.distance}; expected 0 to {MOST_DISTANCE} bits")
        if not 0 <= self.likeness <= 1:
            raise InputError(f"--likeness {self.likeness}; expected 0 to 1")
        if self.fail_on_deviation and self.against is None:
            raise InputError("--fail-on-deviation needs --against: say what is expected first")

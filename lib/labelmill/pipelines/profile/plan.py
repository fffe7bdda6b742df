"""What is asked of a profile, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

from labelmill.domain.profiles.deviations import Deviation
from labelmill.domain.profiles.near_pairs import MOST_DISTANCE
from labelmill.domain.profiles.profile import Profile
from labelmill.domain.profiles.schema import Schema
from labelmill.errors import InputError
from labelmill.pipelines.profile.duplicates import Found
from labelmill.pipelines.profile.examples import Shown
from labelmill.pipelines.profile.outliers import Outlier

DISTANCE, LIKENESS = 4, 0.99
"""Near pairs, by default. On MNIST, photographs and CIFAR-10 these find copies that were compressed,
scaled, brightened or made noisy, and few others (decision 0069)."""


@dataclass(frozen=True)
class Profiled:
    """A profile with all that its page shows.

    Args:
        profile: The figures.
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
    duplicates: Found
    outliers: list[Outlier]
    blanks: list[str]
    pictures: dict[str, Shown] = field(repr=False)
    schema_before: Schema | None = None


@dataclass(frozen=True)
class ProfilePlan:
    """How a collection is profiled.

    Args:
        collection: Name.
        against: ``latest``, letters of a digest, another collection's name, or a schema's
            ``FILE.json``; None: nothing is compared.
        accept: Accept it as the one that ``latest`` means, whatever deviates.
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
        """Refuses what cannot be meant.

        Raises:
            InputError: Says what and why.
        """
        if not 0 <= self.distance <= MOST_DISTANCE:
            raise InputError(f"--distance {self.distance}; expected 0 to {MOST_DISTANCE} bits")
        if not 0 <= self.likeness <= 1:
            raise InputError(f"--likeness {self.likeness}; expected 0 to 1")
        if self.fail_on_deviation and self.against is None:
            raise InputError("--fail-on-deviation needs --against: say what is expected first")

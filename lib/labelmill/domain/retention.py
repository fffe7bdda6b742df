"""What may be removed from the catalogue: pure decisions over its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError

_MOST_DAYS = 365_000

IDLE = timedelta(days=1)
"""A sweep that has not written a row for this long, and is not done, counts as abandoned."""

REPLAYED = 100
"""Micro-batches of a stream that stay in any case: Spark keeps the offsets of as many, and may replay them."""


class Retained(Protocol):
    """What rows have in common that a rule decides about."""

    @property
    def group(self) -> str:
        """Rows of one group are counted together by ``keep``."""
        ...

    @property
    def created_at(self) -> datetime:
        """When it was made (UTC)."""
        ...

    @property
    def order(self) -> str | int:
        """Tells rows apart that were made at one moment."""
        ...

    @property
    def used_by(self) -> tuple[str, ...]:
        """What refers to it, in words."""
        ...


T = TypeVar("T", bound=Retained)


@dataclass(frozen=True)
class TrainingSetRow:
    """One training set of the catalogue.

    Attributes:
        digest: SHA-256 (hex) of its rows.
        name: For people; several sets may share it.
        rows: Number of rows.
        location: Folder or URI of its files.
        created_at: When it was frozen, or last frozen again under this name (UTC).
        used_by: What refers to it, in words: models, evaluations, running sweeps.
    """

    digest: str
    name: str
    rows: int
    location: str
    created_at: datetime
    used_by: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Its name."""
        return self.name

    @property
    def order(self) -> str:
        """Its digest."""
        return self.digest


@dataclass(frozen=True)
class VersionRow:
    """One model version of the catalogue.

    Attributes:
        model: Model name.
        version: Its number.
        created_at: When it was published (UTC).
        bytes: Size of its artifact.
        sha256: Of the artifact (hex).
        parent: Version that training continued from.
        used_by: What refers to it, in words: aliases, streams, running sweeps, versions trained from it.
    """

    model: str
    version: int
    created_at: datetime
    bytes: int
    sha256: str
    parent: int | None = None
    used_by: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """Its model."""
        return self.model

    @property
    def order(self) -> int:
        """Its number."""
        return self.version


@dataclass(frozen=True)
class Rule:
    """What is old.

    Attributes:
        older_than_days: Made at least this many days ago.
        keep: The newest N of each name stay.
        name: Only training sets, models and streams of this name.
        force: Also training sets that are in use.

    Raises:
        InputError: No criterion, or an invalid number.
    """

    older_than_days: float | None = None
    keep: int | None = None
    name: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.older_than_days is None and self.keep is None:
            raise InputError(
                "say what is old: --older-than DAYS, --keep N (the newest N of each name stay), or both; "
                "--older-than 0 means all"
            )
        if not 0 <= (self.older_than_days or 0) <= _MOST_DAYS or (self.keep or 0) < 0:
            raise InputError(
                f"--older-than {self.older_than_days} --keep {self.keep}; expected 0 or more, and "
                f"{_MOST_DAYS:,} days at most"
            )

    def before(self, now: datetime) -> datetime:
        """What was made later is not old."""
        try:
            return now - timedelta(days=self.older_than_days or 0)
        except OverflowError:
            return datetime.min.replace(tzinfo=now.tzinfo)


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What a rule selects.

    Attributes:
        remove: Rows to remove, oldest first.
        spared: Rows that would be removed if they were not in use.
    """

    remove: tuple[T, ...]
    spared: tuple[T, ...]


def choose(known: Iterable[T], rule: Rule, now: datetime) -> Choice[T]:
    """Chooses what a rule removes.

    Args:
        known: All rows.
        rule: Where it has two criteria, both must hold.
        now: Timezone-aware.
    """
    old: list[T] = []
    seen: dict[str, int] = {}
    newest_first = sorted(known, key=lambda one: (one.created_at, one.order), reverse=True)
    for one in newest_first:
        place = seen[one.group] = seen.get(one.group, 0) + 1
        if rule.name is not None and one.group != rule.name:
            continue
        if rule.keep is not None and place <= rule.keep:
            continue
        if rule.older_than_days is not None and one.created_at > rule.before(now):
            continue
        old.append(one)
    old.reverse()
    return Choice(
        remove=tuple(one for one in old if rule.force or not one.used_by),
        spared=tuple(one for one in old if one.used_by and not rule.force),
    )


def choose_versions(known: Iterable[VersionRow], rule: Rule, now: datetime) -> Choice[VersionRow]:
    """Chooses model versions; those from which a version that stays was trained, stay too.

    Args:
        known: All versions, with what refers to them besides other versions.
        rule: `Rule.force` does not count: what serves is never removed.
        now: Timezone-aware.
    """
    rows = {(one.model, one.version): one for one in known}
    choice = choose(rows.values(), replace(rule, force=False), now)
    leaving = {(one.model, one.version) for one in choice.remove}
    ancestors: dict[tuple[str, int], VersionRow] = {}
    waiting = [one for key, one in rows.items() if key not in leaving]
    while waiting:
        child = waiting.pop()
        key = (child.model, child.parent or 0)
        if key in leaving:
            leaving.discard(key)
            users = (f"version {child.version}, which was trained from it",)
            ancestors[key] = replace(rows[key], used_by=users)
            waiting.append(rows[key])
    return Choice(
        remove=tuple(one for one in choice.remove if (one.model, one.version) in leaving),
        spared=(*choice.spared, *ancestors.values()),
    )


def old_batches(
    numbers: npt.NDArray[np.int64], started: npt.NDArray[np.int64], rule: Rule, now: datetime
) -> npt.NDArray[np.bool_]:
    """Which micro-batches of one stream are old; the newest `REPLAYED` never are.

    Args:
        numbers: ``(N,)``, different.
        started: ``(N,)`` microseconds since 1970 UTC.
        rule: `Rule.keep` counts micro-batches here.
        now: Timezone-aware.
    """
    newest = np.argsort(numbers)[::-1]
    place = np.empty(len(numbers), np.int64)
    place[newest] = np.arange(len(numbers))
    old = place >= max(REPLAYED, rule.keep or 0)
    if rule.older_than_days is not None:
        old &= started <= round(rule.before(now).timestamp() * 1e6)
    return old


def is_abandoned(signs: Iterable[datetime], rule: Rule, now: datetime) -> bool:
    """Whether a sweep that is not done has been given up.

    Args:
        signs: When it was begun, and when its trials ended.
        rule: Its age counts, but never less than `IDLE`.
        now: Timezone-aware.
    """
    return max(signs) <= min(rule.before(now), now - IDLE)


def unreferenced(chunks: Iterable[str], versions: Mapping[str, object]) -> list[str]:
    """Artifacts of which chunks are stored and that no version has, sorted."""
    return sorted(set(chunks) - set(versions))

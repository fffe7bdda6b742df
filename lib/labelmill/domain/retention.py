"""Which training sets may be removed: a pure decision over their rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelmill.errors import InputError

_MOST_DAYS = 365_000


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


@dataclass(frozen=True)
class Rule:
    """Which training sets are old.

    Attributes:
        older_than_days: Frozen at least this many days ago.
        keep: The newest N of each name stay.
        name: Only sets of this name.
        force: Also sets that are in use.

    Raises:
        InputError: No criterion, or an invalid number of days or sets.
    """

    older_than_days: float | None = None
    keep: int | None = None
    name: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.older_than_days is None and self.keep is None:
            raise InputError(
                "say which training sets are old: --older-than DAYS, --keep N (the newest N of each "
                "name stay), or both; --older-than 0 means all"
            )
        if not 0 <= (self.older_than_days or 0) <= _MOST_DAYS or (self.keep or 0) < 0:
            raise InputError(
                f"--older-than {self.older_than_days} --keep {self.keep}; expected 0 or more, and "
                f"{_MOST_DAYS:,} days at most"
            )


@dataclass(frozen=True)
class Choice:
    """What a rule selects.

    Attributes:
        remove: Sets to remove, oldest first.
        spared: Sets that would be removed if they were not in use.
    """

    remove: tuple[TrainingSetRow, ...]
    spared: tuple[TrainingSetRow, ...]


def choose(known: Iterable[TrainingSetRow], rule: Rule, now: datetime) -> Choice:
    """Chooses the training sets that a rule removes.

    Args:
        known: All training sets.
        rule: Where it has two criteria, both must hold.
        now: Timezone-aware.
    """
    old: list[TrainingSetRow] = []
    seen: dict[str, int] = {}
    newest_first = sorted(known, key=lambda one: (one.created_at, one.digest), reverse=True)
    for one in newest_first:
        place = seen[one.name] = seen.get(one.name, 0) + 1
        if rule.name is not None and one.name != rule.name:
            continue
        if rule.keep is not None and place <= rule.keep:
            continue
        if rule.older_than_days is not None and now - one.created_at < timedelta(
            days=rule.older_than_days
        ):
            continue
        old.append(one)
    old.reverse()
    return Choice(
        remove=tuple(one for one in old if rule.force or not one.used_by),
        spared=tuple(one for one in old if one.used_by and not rule.force),
    )

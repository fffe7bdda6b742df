"""Which training sets may go: a pure decision over what is known of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from labelmill.errors import InputError

_MOST_DAYS = 365_000


@dataclass(frozen=True)
class Frozen:
    """One training set that the catalogue knows.

    Attributes:
        digest: SHA-256 (hex) of its rows.
        name: What people call it; several may share one.
        rows: Number of them.
        location: Folder or URI of its files.
        created_at: When it was frozen, or last frozen again by this name (UTC).
        used_by: Who would miss it, in words: models, evaluations, sweeps that run.
    """

    digest: str
    name: str
    rows: int
    location: str
    created_at: datetime
    used_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """Which ones are old.

    Attributes:
        older_than_days: Frozen so long ago or longer.
        keep: The newest so many of each name stay.
        name: Only this name.
        force: Also those that somebody points to.

    Raises:
        InputError: Nothing says which, or a number of days or sets that cannot be meant.
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
    """What a rule means for some training sets.

    Attributes:
        remove: These go, the oldest first.
        spared: These would go, if nobody pointed to them.
    """

    remove: tuple[Frozen, ...]
    spared: tuple[Frozen, ...]


def choose(known: Iterable[Frozen], rule: Rule, now: datetime) -> Choice:
    """Which training sets a rule removes.

    Args:
        known: All that there are.
        rule: Both its bounds must hold, where both are given.
        now: Aware.
    """
    old: list[Frozen] = []
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

"""What a person says about an image: read from a row, checked, and weighed against what they said before.

A person's words are ordered by their time, and the latest counts. Saying the same again changes
nothing, so that a file can be entered twice.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from numbers import Integral
from typing import Any

from labelmill.domain.timestamps import parse_timestamp
from labelmill.errors import InputError

PERSON = "person/"
"""Prefix of sources that are people."""

MOST_AHEAD = timedelta(minutes=5)
"""How far a time may be ahead of our clock: one in the future would have the last word for ever."""

LEAST_DIGITS = 6
"""Digits of an image id that are enough, if no other image has them."""

NAME_BYTES, TEXT_BYTES = 200, 4_000
"""Longest name of a person or class, and longest reason, in bytes of UTF-8."""

MOST_SUGGESTIONS = 1_000
"""Unknown classes for which the closest match is looked for: it takes milliseconds for each."""

_ID = re.compile(rf"[0-9a-f]{{{LEAST_DIGITS},64}}")


@dataclass(frozen=True)
class Correction:
    """One row: a person gives an image a class.

    Attributes:
        position: Of the row, for messages, such as ``line 7``.
        image: Image id, or its first six digits or more.
        label: The class.
        person: Who says so.
        at: When (UTC); None: now.
        why: The reason; None when none is given.
    """

    position: str
    image: str
    label: str
    person: str
    at: datetime | None = None
    why: str | None = None

    @property
    def source(self) -> str:
        """Value of ``annotations.source``."""
        return PERSON + self.person


@dataclass(frozen=True)
class Defaults:
    """What counts where a row has no value of its own.

    Attributes:
        collection: The collection; a row that names another one is refused.
        by: Who.
        at: When (UTC); None: now.
        why: The reason.
    """

    collection: str
    by: str | None = None
    at: datetime | None = None
    why: str | None = None

    def __post_init__(self) -> None:
        if self.by is not None:
            check_person(self.by)
        if self.why is not None:
            check_text("the reason", self.why, TEXT_BYTES)


@dataclass(frozen=True)
class Word:
    """A class that a person gave, at a time (UTC)."""

    label: str
    at: datetime


@dataclass(frozen=True)
class Weighed:
    """What becomes of a correction.

    Attributes:
        outcome: ``new`` (the person's first word on this image), ``changed``, ``unchanged``, or
            ``outdated`` (they have said something later).
        word: What the person's word is afterwards.
    """

    outcome: str
    word: Word


def parse_correction(
    position: str, row: Mapping[str, Any], defaults: Defaults, now: datetime
) -> Correction:
    """Reads and checks a row.

    Args:
        position: For messages.
        row: ``image_id`` and ``class``; optionally ``annotator``, ``annotated_at`` (ISO 8601, UTC
            without a zone), ``why`` and ``collection``. Others are not looked at.
        defaults: What counts for cells that are absent or empty.
        now: Timezone-aware.

    Raises:
        ValueError: What is wrong with the row.
    """
    collection = _text(row, "collection")
    if collection is not None and collection != defaults.collection:
        raise ValueError(
            f"collection {collection[:80]!r}; these corrections are of {defaults.collection!r}"
        )
    image = check_image_id(_text(row, "image_id") or "")
    label = _text(row, "class", strip=False)
    if label is None:
        raise ValueError("no class; expected one, and no row for an image that is right")
    check_text("class", label, NAME_BYTES)
    person = _text(row, "annotator") or defaults.by
    if person is None:
        raise ValueError("nobody says so; add a column annotator, or --by NAME")
    check_person(person)
    why = _text(row, "why") or defaults.why
    if why is not None:
        check_text("why", why, TEXT_BYTES)
    at = _time(row.get("annotated_at")) or defaults.at
    if at is not None and at > now + MOST_AHEAD:
        raise ValueError(
            f"annotated_at {at.isoformat()} lies in the future; expected a time up to now"
        )
    return Correction(position, image, label, person, at, why)


def check_image_id(text: str) -> str:
    """The lower-case digits of an image id, or of its beginning.

    Raises:
        InputError: Anything else.
    """
    if not _ID.fullmatch(text.lower()):
        raise InputError(
            f"image_id {text[:80]!r}; expected an image id, or the first {LEAST_DIGITS} or more of its 64 hex "
            "digits"
        )
    return text.lower()


def check_person(name: str) -> None:
    """Checks the name of a person.

    Raises:
        InputError: Empty, too long, with a control character or spaces around it.
    """
    check_text("annotator", name, NAME_BYTES)
    if not name or name != name.strip() or not name.isprintable():
        raise InputError(
            f"annotator {name[:80]!r}; expected a name of printable characters without spaces around it"
        )


def check_text(what: str, text: str, most: int) -> None:
    """Checks the size of a text.

    Raises:
        InputError: More than `most` bytes, a NUL, or text that is not UTF-8.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"{what}: text that cannot be encoded as UTF-8: {error}") from None
    if size > most:
        raise InputError(f"{what} has {size:,} bytes; expected {most:,} at most")
    if "\0" in text:
        raise InputError(f"{what} {text[:80]!r} holds a NUL")


class KnownClasses:
    """The classes of a collection: a slip of the pen must not make a new one.

    Args:
        labels: They; none: any class is right.
        new_classes: Take new ones.
    """

    def __init__(self, labels: Iterable[str], new_classes: bool = False) -> None:
        self._labels, self._new_classes = frozenset(labels), new_classes
        self._suggested: dict[str, str] = {}

    def check(self, label: str) -> None:
        """Checks that a class exists.

        Raises:
            InputError: It does not, or has spaces around it; suggests the closest match.
        """
        if label in self._labels:
            return
        if label != label.strip():
            raise InputError(f"class {label!r} has spaces around it; expected none")
        if not self._labels or self._new_classes:
            return
        if label not in self._suggested and len(self._suggested) < MOST_SUGGESTIONS:
            near = difflib.get_close_matches(label, self._labels, n=1, cutoff=0.5)
            self._suggested[label] = f" Did you mean {near[0]!r}?" if near else ""
        few = f": {', '.join(sorted(self._labels))}" if len(self._labels) <= 20 else ""
        raise InputError(
            f"unknown class {label[:80]!r}; the collection has {len(self._labels):,} classes{few}."
            f"{self._suggested.get(label, '')} --new-classes takes new ones"
        )


def weigh(said: Word | None, label: str, at: datetime | None, now: datetime) -> Weighed:
    """Weighs a correction against what the same person has said about the image before.

    Args:
        said: Their word so far.
        label: The class that they give now.
        at: When they gave it; None: now, unless it is what they said already.
        now: Timezone-aware.
    """
    if said is None:
        return Weighed("new", Word(label, at or now))
    if label == said.label and at in (None, said.at):
        return Weighed("unchanged", said)
    if at is None:
        # A clock that was set back must not make their latest word the older one.
        return Weighed("changed", Word(label, max(now, said.at + timedelta(microseconds=1))))
    if at < said.at:
        return Weighed("outdated", said)
    return Weighed("changed", Word(label, at))


def take_back(history: Iterable[tuple[Word, bool]], said: Word) -> tuple[Word | None, list[Word]]:
    """What a person's word on an image becomes when they take back their class.

    Args:
        history: Their words with whether each was taken back already, in any order.
        said: Their word so far, which is taken back.

    Returns:
        The latest other class that they gave before and did not take back, None when there is none;
        and the words that are taken back: all of the same class since.
    """
    gone = [said]
    earlier = sorted((one for one, back in history if not back and one.at < said.at), key=_at)
    for word in reversed(earlier):
        if word.label != said.label:
            return word, gone
        gone.append(word)
    return None, gone


def _at(word: Word) -> datetime:
    return word.at


def _text(row: Mapping[str, Any], name: str, strip: bool = True) -> str | None:
    value = row.get(name)
    if _is_missing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (str, Integral)):
        raise ValueError(f"{name} {str(value)[:40]!r} is {type(value).__name__}; expected text")
    text = str(value)
    return (text.strip() if strip else text) if text.strip() else None


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, or what pandas has in its place (NaN, NaT and NA)."""
    try:
        return value is None or not bool(value == value)
    except TypeError:  # NA is neither equal to itself nor not
        return True


def _time(value: Any) -> datetime | None:
    if _is_missing(value) or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)  # fmt: skip
    if isinstance(value, str):
        return parse_timestamp(value.strip())
    raise ValueError(f"annotated_at {str(value)[:40]!r}; expected ISO 8601 text or a timestamp")

"""Which split keeps an image that sources have in several: the one that is held out furthest.

An image is one row, whatever number of files hold its bytes; and which file comes first is an accident of
names. Were it trained on, what a model reaches on the test images would say too much. The rule has an
order, so the end is the same however often and in whatever order sources are ingested.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from labelmill.domain.splits.hashing import SPLITS_SHOWN

ORDER = SPLITS_SHOWN
"""Later ones win: held out further."""

ALSO_IN = "also_in_splits"
"""Attribute of an image that is in several splits: a list of those that did not keep it."""


def held_out_of(*splits: str | None) -> str | None:
    """The split that keeps an image which is in all of these; None counts least.

    Example::

        >>> held_out_of("train", None, "test", "validation")
        'test'
    """
    return max(splits, key=_rank)


def _rank(split: str | None) -> int:
    names: tuple[str, ...] = ORDER
    return names.index(split) + 1 if split in names else 0


def also_in(attributes: str | None) -> list[str]:
    """The splits that did not keep an image, from its attributes (a JSON object).

    Example::

        >>> also_in('{"also_in_splits": ["train"]}')
        ['train']
    """
    found = json.loads(attributes).get(ALSO_IN) if attributes and ALSO_IN in attributes else None
    # A source may have an attribute of this name that means something else.
    return [split for split in found if split in ORDER] if isinstance(found, list) else []


def in_several(splits: Collection[str | None], attributes: str | None) -> dict[str, str | None]:
    """The split of an image that is in all of these, and its attributes, which name the others.

    Args:
        splits: Splits; None: in no split.
        attributes: JSON object, or None.

    Returns:
        ``split`` and ``attributes``; the same text where it names the others already.

    Example::

        >>> in_several(["train", None, "test"], None)
        {'split': 'test', 'attributes': '{"also_in_splits": ["train"]}'}
    """
    kept = held_out_of(*splits)
    others = [name for name in ORDER if name in splits and name != kept]
    if others != also_in(attributes):
        named = {**json.loads(attributes or "{}"), ALSO_IN: others}
        attributes = json.dumps(named, sort_keys=True, ensure_ascii=False)
    return {"split": kept, "attributes": attributes}

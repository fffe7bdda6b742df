"""Class names that look alike: the same letters composed in another way, or spaces around them.

Truth is not changed in silence, so such names stay apart until people say otherwise.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable


def normal_class(name: str) -> str | None:
    """The name in Unicode's composed form (NFC), without white space around it; None: nothing is left.

    Example::

        >>> normal_class(" cafe\u0301 ") == "caf\u00e9"
        True
    """
    return unicodedata.normalize("NFC", name).strip() or None


def alike_classes(names: Iterable[str]) -> dict[str, list[str]]:
    """Names that `normal_class` makes one: the one → its spellings, two or more, sorted.

    Example::

        >>> alike_classes(["cat", "cat ", "dog"])
        {'cat': ['cat', 'cat ']}
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(names)):
        groups[normal_class(name) or ""].append(name)
    return {one: spellings for one, spellings in groups.items() if len(spellings) > 1}


def alike_note(names: Iterable[str]) -> str | None:
    """What people are told of `alike_classes`; None: there are none."""
    groups = alike_classes(names)
    if not groups:
        return None
    shown = "; ".join(
        ", ".join(map(ascii, spellings[:4])) for spellings in list(groups.values())[:5]
    )
    return (
        f"{len(groups):,} classes have several spellings that look alike: {shown}"
        f"{' …' if len(groups) > 5 else ''}. They are different classes; ingest with --normalise-classes "
        "makes them one"
    )

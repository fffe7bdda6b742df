"""Which column of an answer is the target: what is to be learned."""

from __future__ import annotations

from collections.abc import Sequence

from labelmill.errors import InputError
from labelmill.feed.files.columns import Target

TARGET_COLUMNS: dict[str, Target] = {"class": "class", "classes": "classes", "mask_id": "mask"}
"""Column → the kind of target that it holds."""


def find_target(columns: Sequence[str]) -> Target | None:
    """The target of an answer with these columns; None when it has none.

    Raises:
        InputError: Several columns are targets.

    Example:
        >>> find_target(["collection", "image_id", "class"])
        'class'
    """
    found = [name for name in TARGET_COLUMNS if name in columns]
    if len(found) > 1:
        raise InputError(
            f"the query gives {' and '.join(found)}; expected one of them, what is to be learned"
        )
    return TARGET_COLUMNS[found[0]] if found else None

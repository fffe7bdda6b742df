"""The target column of a query."""

from __future__ import annotations

from collections.abc import Sequence

from labelmill.errors import InputError
from labelmill.feed.files.columns import Target

TARGET_COLUMNS: dict[str, Target] = {"class": "class", "classes": "classes", "mask_id": "mask"}
"""Column → kind of target."""


def find_target(columns: Sequence[str]) -> Target | None:
    """The kind of target of a query with these columns; None if there is none.

    Raises:
        InputError: Several columns are targets.

    Example:
        >>> find_target(["collection", "image_id", "class"])
        'class'
    """
    found = [name for name in TARGET_COLUMNS if name in columns]
    if len(found) > 1:
        raise InputError(
            f"the query returns {' and '.join(found)}; expected one of them, as the target"
        )
    return TARGET_COLUMNS[found[0]] if found else None

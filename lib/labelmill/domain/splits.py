"""Three-way split by stable hash: an image stays where it is, whatever else comes and goes."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from labelmill.errors import InputError

Split = Literal["train", "validation", "test"]

FRACTIONS = (0.8, 0.1, 0.1)
"""Shares of train, validation and test unless told otherwise."""


def check_fractions(fractions: tuple[float, float, float]) -> tuple[float, float, float]:
    """Returns the fractions when they are three shares, 0 or more, with sum 1.

    Raises:
        InputError: They are not.
    """
    if (
        len(fractions) != 3
        or not all(math.isfinite(f) and f >= 0 for f in fractions)
        or abs(sum(fractions) - 1) > 1e-9
    ):
        raise InputError(
            f"expected three shares (train, validation, test) of 0 or more with sum 1, received {fractions}"
        )
    return fractions


def split_of(
    image_id: str, fractions: tuple[float, float, float] = FRACTIONS, salt: str = ""
) -> Split:
    """The split of one image: a function of its identity only.

    Args:
        image_id: Identity of the image.
        fractions: Shares of train, validation and test, sum 1.
        salt: Another salt gives another, independent split.

    Raises:
        InputError: The fractions are not shares.
    """
    train, validation, test = check_fractions(fractions)
    digest = hashlib.sha256(f"{salt}\x00{image_id}".encode("utf-8", "backslashreplace")).digest()
    # 53 bits, so that the division is exact and the result is below 1.
    position = (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
    if position < train:
        return "train"
    if test == 0 or position < train + validation:
        return "validation" if validation > 0 else "train" if test == 0 else "test"
    return "test"

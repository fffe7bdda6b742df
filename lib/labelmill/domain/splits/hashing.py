"""Three-way split by stable hash: an image keeps its split whatever else is added or removed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, Split, Split] = ("test", "train", "validation")
"""Sorted, as digests rely on; codes are indices into it: `TEST`, `TRAIN`, `VALIDATION`."""

SPLITS_SHOWN: tuple[Split, Split, Split] = ("train", "validation", "test")
"""In the order in which people read them."""

TEST, TRAIN, VALIDATION = 0, 1, 2

FRACTIONS = (0.8, 0.1, 0.1)
"""Default shares of train, validation and test."""


_BLOCK = 1 << 16


def check_fractions(fractions: tuple[float, float, float]) -> tuple[float, float, float]:
    """Returns the fractions if they are three shares of 0 or more that sum to 1.

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


def positions_of(names: Iterable[str], salt: str = "") -> npt.NDArray[np.float64]:
    """Maps each name to [0, 1): a function of the name and the salt only."""
    prefix, sha256 = f"{salt}\x00".encode("utf-8", "backslashreplace"), hashlib.sha256
    heads, left = bytearray(), iter(names)
    # In blocks: one object per name would take more memory than the names themselves.
    while block := b"".join(
        [
            sha256(prefix + name.encode("utf-8", "backslashreplace")).digest()[:8]
            for name in islice(left, _BLOCK)
        ]
    ):
        heads += block
    # 53 bits, so that the division is exact and the result is below 1.
    return (np.frombuffer(heads, ">u8") >> np.uint64(11)) / float(1 << 53)


def cut(
    positions: npt.NDArray[np.float64], fractions: tuple[float, float, float]
) -> npt.NDArray[np.int8]:
    """The split of each position, as an index into `SPLITS`.

    Args:
        positions: ``(N,)``, 0 to below 1.
        fractions: Shares of train, validation and test, sum 1.
    """
    train, validation, test = fractions
    rest = VALIDATION if test == 0 else TEST
    rest = TRAIN if validation == 0 and test == 0 else rest
    codes = np.full(len(positions), rest, np.int8)
    if validation > 0:
        codes[positions < train + validation] = VALIDATION
    codes[positions < train] = TRAIN
    return codes


def split_of(
    image_id: str, fractions: tuple[float, float, float] = FRACTIONS, salt: str = ""
) -> Split:
    """The split of one image: a function of its id only.

    Args:
        image_id: Id of the image.
        fractions: Shares of train, validation and test, sum 1.
        salt: Another salt gives another, independent split.

    Raises:
        InputError: Invalid fractions.

    Example:
        >>> split_of("0" * 64, (0.5, 0.0, 0.5)) == split_of("0" * 64, (0.5, 0.0, 0.5))
        True
    """
    return SPLITS[cut(positions_of([image_id], salt), check_fractions(fractions))[0]]

"""Three-way split by stable hash: an image stays where it is, whatever else comes and goes."""

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
"""Shares of train, validation and test unless told otherwise."""


_BLOCK = 1 << 16


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


def positions_of(names: Iterable[str], salt: str = "") -> npt.NDArray[np.float64]:
    """Where each name falls between 0 and below 1: a function of the name and the salt only."""
    prefix, sha256 = f"{salt}\x00".encode("utf-8", "backslashreplace"), hashlib.sha256
    heads, left = bytearray(), iter(names)
    # In blocks: an object for each of many millions of names would take more room than they do.
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
    """The split of each position, as its place in `SPLITS`.

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
    """The split of one image: a function of its identity only.

    Args:
        image_id: Identity of the image.
        fractions: Shares of train, validation and test, sum 1.
        salt: Another salt gives another, independent split.

    Raises:
        InputError: The fractions are not shares.
    """
    return SPLITS[cut(positions_of([image_id], salt), check_fractions(fractions))[0]]

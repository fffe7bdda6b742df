"""Assigns splits to images or groups of images: pure array work, without the images.

Units must stay whole: an image, or a group of images (of one patient, of one film, near duplicates).
A unit gets the split that its source gives, else the one that its stable hash gives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmill.domain.splits.hashing import FRACTIONS, TEST, TRAIN, VALIDATION, check_fractions, cut
from labelmill.domain.splits.quotas import quotas
from labelmill.errors import InputError

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Division:
    """How units are divided.

    Attributes:
        fractions: Shares of train, validation and test for units without a given split.
        validation_fraction: Share of given ``train`` units that become validation when the source
            gives splits and none is validation; 0: never.
        salt: Changes the split.
        stratify: Give every class its shares to within a unit, by rank of the hash.

    Raises:
        InputError: Invalid fractions.
    """

    fractions: tuple[float, float, float] = FRACTIONS
    validation_fraction: float = 0.1
    salt: str = ""
    stratify: bool = False

    def __post_init__(self) -> None:
        check_fractions(self.fractions)
        if not 0 <= self.validation_fraction < 1:
            raise InputError(
                f"validation fraction {self.validation_fraction}; expected 0 to below 1"
            )


def divide(
    positions: npt.NDArray[np.float64],
    given: Codes,
    strata: npt.NDArray[np.integer],
    division: Division,
) -> tuple[Codes, bool]:
    """Assigns a split to each unit.

    With `Division.stratify`, the units of a class are ranked by position and cut at `quotas`, whose
    remainders are carried over from class to class. Adding or removing a unit moves at most one other
    unit of its class, and of each class behind it, across each cut; without `stratify`, it moves none.

    Args:
        positions: ``(U,)`` of `labelmill.domain.splits.hashing.positions_of`.
        given: ``(U,)`` split given by the source, as an index into ``SPLITS``; -1: none.
        strata: ``(U,)`` class of the unit, for `Division.stratify`.
        division: Fractions, salt, stratification.

    Returns:
        ``(U,)`` indices into ``SPLITS``; whether part of the given train became validation.
    """
    codes = given.copy()
    free = given < 0
    codes[free] = _parts(positions[free], strata[free], division.fractions, division.stratify)
    share = division.validation_fraction
    held_out = bool(share > 0 and (given == TRAIN).any() and not (given == VALIDATION).any())
    if held_out:
        train = given == TRAIN
        fractions = (1 - share, share, 0.0)
        codes[train] = _parts(positions[train], strata[train], fractions, division.stratify)
    return codes, held_out


def _parts(
    positions: npt.NDArray[np.float64],
    strata: npt.NDArray[np.integer],
    fractions: tuple[float, float, float],
    stratify: bool,
) -> Codes:
    if not stratify:
        return cut(positions, fractions)
    order, rank, _ = rank_within_strata(positions, strata)
    _, sizes = np.unique(strata, return_counts=True)
    parts = quotas(sizes, fractions)
    ends = np.repeat(np.cumsum(parts[:, :2], axis=1), sizes, axis=0)
    codes = np.empty(len(positions), np.int8)
    codes[order] = np.where(rank < ends[:, 0], TRAIN, np.where(rank < ends[:, 1], VALIDATION, TEST))
    return codes


def rank_within_strata(
    positions: npt.NDArray[np.float64], strata: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ranks rows by position within their stratum.

    Returns:
        ``(N,)`` each: rows sorted by stratum and position (ties in the given order); the rank of
        each within its stratum, from 0; the size of its stratum.
    """
    order = np.lexsort((positions, strata))
    ordered = strata[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    sizes = np.diff(np.r_[starts, len(ordered)])
    rank = np.arange(len(ordered)) - np.repeat(starts, sizes)
    return order, rank, np.repeat(sizes, sizes)

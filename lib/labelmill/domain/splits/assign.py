"""Which split each of many images or groups of them gets: decided on arrays, without the images.

What is divided are units that must stay whole: images, or groups of images (a patient's, a film's:
near-duplicates). A unit goes where its source says; otherwise where its stable hash says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmill.domain.splits.hashing import FRACTIONS, TRAIN, VALIDATION, check_fractions, cut
from labelmill.errors import InputError

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Division:
    """How to divide.

    Attributes:
        fractions: Shares of train, validation and test for units without a given split.
        validation_fraction: Share of given ``train`` units that become validation when the source
            gives splits and none is validation; 0: never.
        salt: Another salt, another split.
        stratify: Exact shares of every class, by rank of the hash.

    Raises:
        InputError: Fractions that are no shares.
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
    """The split of each unit.

    With `Division.stratify`, the units of a class are ranked by position and cut at the rounded
    shares: n units of a class give exactly round(n · share) to train. A unit that comes or goes
    moves at most one other unit of its class across each cut; without, it moves none.

    Args:
        positions: ``(U,)`` of `labelmill.domain.splits.hashing.positions_of`.
        given: ``(U,)`` the split that the source gives, as place in ``SPLITS``; -1: none.
        strata: ``(U,)`` class of the unit, for `Division.stratify`.
        division: How.

    Returns:
        ``(U,)`` places in ``SPLITS``; whether a part of the given train became validation.
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
    order, rank, sizes = ranked(positions, strata)
    train, upto = fractions[0], fractions[0] + fractions[1]
    # Whole numbers first: the share of a position is then on the right side of each cut.
    first, second = np.floor(train * sizes + 0.5), np.floor(upto * sizes + 0.5)
    inside = np.where(rank < first, 0.0, np.where(rank < second, 1.0, 2.0))
    # One rule for what a share of nought gets: the middle of each part, through `cut`.
    middles = np.array([train / 2, train + fractions[1] / 2, min(1.0, upto + fractions[2] / 2)])
    codes = np.empty(len(positions), np.int8)
    codes[order] = cut(middles[inside.astype(np.intp)], fractions)
    return codes


def ranked(
    positions: npt.NDArray[np.float64], strata: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Ranks within strata.

    Returns:
        ``(N,)`` each: rows in order of stratum and position (equal ones in the order given); the
        rank of each of those within its stratum, from 0; the size of its stratum.
    """
    order = np.lexsort((positions, strata))
    ordered = strata[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    sizes = np.diff(np.r_[starts, len(ordered)])
    rank = np.arange(len(ordered)) - np.repeat(starts, sizes)
    return order, rank, np.repeat(sizes, sizes)

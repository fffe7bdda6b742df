"""Which rows of a training set stay when classes are to be equally large."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmill.domain.splits.assign import Codes, ranked
from labelmill.domain.splits.hashing import SPLITS, TRAIN


def kept(
    splits: Codes,
    classes: npt.NDArray[np.int32],
    positions: npt.NDArray[np.float64],
    limit: int | None = None,
    balance: bool = False,
) -> npt.NDArray[np.bool_]:
    """Rows that stay.

    Which rows of a class stay is by position, so a row that stays does so whatever other rows come
    or go, unless they come before it.

    Args:
        splits: ``(N,)`` places in ``SPLITS``.
        classes: ``(N,)`` class indices.
        positions: ``(N,)`` of `labelmill.domain.splits.hashing.positions_of`, with a salt of their own: by
            the salt of the split, train rows would be chosen from one end.
        limit: Rows of each class in each split, at most.
        balance: Of train, every class keeps as many rows as its smallest class has (after the
            limit); validation and test stay as they are, which is what the model will meet.

    Returns:
        ``(N,)`` true where the row stays.
    """
    cells = splits.astype(np.int64) * (int(classes.max(initial=0)) + 1) + classes
    order, rank, sizes = ranked(positions, cells)
    most = np.full(len(SPLITS), len(splits) if limit is None else limit, np.int64)
    train = splits[order] == TRAIN
    if balance and train.any():
        most[TRAIN] = min(most[TRAIN], sizes[train].min())
    stays = np.empty(len(splits), np.bool_)
    stays[order] = rank < most[splits[order]]
    return stays

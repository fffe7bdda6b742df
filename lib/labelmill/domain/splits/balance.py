"""Downsampling: which rows of a training set stay when classes are balanced or limited."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from labelmill.domain.splits.assign import Codes, rank_within_strata
from labelmill.domain.splits.hashing import SPLITS, TRAIN


def downsample(
    splits: Codes,
    classes: npt.NDArray[np.int32],
    positions: npt.NDArray[np.float64],
    limit: int | None = None,
    balance: bool = False,
) -> npt.NDArray[np.bool_]:
    """Chooses the rows that stay.

    Rows of a class stay by position, so a row stays whatever other rows are added or removed, unless
    they precede it.

    Args:
        splits: ``(N,)`` indices into ``SPLITS``.
        classes: ``(N,)`` class indices.
        positions: ``(N,)`` of `labelmill.domain.splits.hashing.positions_of`, with a salt of their own:
            under the salt of the split, train rows would all come from one end.
        limit: At most N rows per class and split.
        balance: Every class keeps as many train rows as the smallest class has (after the limit);
            validation and test keep the distribution that the model will meet.

    Returns:
        ``(N,)`` true where the row stays.
    """
    cells = splits.astype(np.int64) * (int(classes.max(initial=0)) + 1) + classes
    order, rank, sizes = rank_within_strata(positions, cells)
    most = np.full(len(SPLITS), len(splits) if limit is None else limit, np.int64)
    train = splits[order] == TRAIN
    if balance and train.any():
        most[TRAIN] = min(most[TRAIN], sizes[train].min())
    stays = np.empty(len(splits), np.bool_)
    stays[order] = rank < most[splits[order]]
    return stays

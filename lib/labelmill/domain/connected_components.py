"""Connected components of a graph of whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]


def components(count: int, left: Whole, right: Whole) -> Whole:
    """The smallest node that each node is connected to.

    Args:
        count: Nodes are 0..count − 1.
        left: ``(P,)`` one end of each edge.
        right: ``(P,)`` the other.

    Returns:
        ``(count,)``.
    """
    root = np.arange(count)
    while True:
        low = np.minimum(root[left], root[right])
        before = root.copy()
        # Roots are hooked to smaller roots, then every chain is cut in half.
        np.minimum.at(root, root[left], low)
        np.minimum.at(root, root[right], low)
        root = root[root]
        if (root == before).all():
            return root

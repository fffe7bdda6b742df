"""Connected components of a graph whose nodes are integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


def components(count: int, left: IntArray, right: IntArray) -> IntArray:
    """The smallest node that each node is connected to.

    Args:
        count: Nodes are 0..count − 1.
        left: ``(P,)`` one end of each edge.
        right: ``(P,)`` the other end.

    Returns:
        ``(count,)`` int64.

    Example:
        >>> components(4, np.array([0, 2]), np.array([1, 1])).tolist()
        [0, 0, 0, 3]
    """
    root = np.arange(count)
    while True:
        low = np.minimum(root[left], root[right])
        before = root.copy()
        # Roots are hooked to smaller roots, then every chain is halved.
        np.minimum.at(root, root[left], low)
        np.minimum.at(root, root[right], low)
        root = root[root]
        if (root == before).all():
            return root

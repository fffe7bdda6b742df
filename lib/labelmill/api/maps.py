"""Maps over batches: what happens to images between a training set and a model.

Pass one or several as ``map=`` of ``tf()`` and ``numpy()`` of `TrainingSet`, `KuduBatches` and
`StreamBatches`. Random ones are in `labelmill.augment`.

Example:
    >>> import labelmill
    >>> import numpy as np
    >>> scale = labelmill.maps.batched(lambda images, classes: (images / np.float32(255), classes))
    >>> resize = labelmill.maps.prepared(["grey", {"resize": [8, 8]}])
"""

from __future__ import annotations

from labelmill.feed.maps.functions import arrays, batched
from labelmill.feed.maps.preparation import prepared

__all__ = ["arrays", "batched", "prepared"]

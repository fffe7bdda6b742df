"""A model's preparation as a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labelmill.domain.models.preparation import Preparation
from labelmill.feed.maps.base import ArrayMap, RowArrays, images_in
from labelmill.feed.maps.elements import stack


@dataclass(frozen=True)
class PreparationMap(ArrayMap):
    """Prepares images to float32; masks are resized with them, by the nearest pixel. See `prepared`."""

    preparation: Preparation

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Prepared rows.

        Raises:
            InputError: Records; images that the preparation refuses.
        """
        images = images_in(rows, "prepared")
        if isinstance(images, list):
            # One by one: if shapes are still mixed, a later map may crop.
            images = stack([self.preparation.apply(image[None])[0] for image in images])
        else:
            images = self.preparation.apply(images)
        targets = rows.targets
        if rows.masks:
            pairs = zip(targets, images, strict=True)
            targets = stack([_nearest(mask, image.shape[:2]) for mask, image in pairs])
        return replace(rows, inputs=images, targets=targets)


def prepared(preparation: Preparation | Sequence[object]) -> ArrayMap:
    """A map that prepares images as a model with this preparation gets them: float32 ``(N, H, W, C)``.

    Args:
        preparation: A preparation, or its steps as in a sweep file.

    Raises:
        UnknownName: No such step.
        InputError: An invalid argument of a step.

    Example:
        >>> resize = prepared(["grey", {"resize": [8, 8]}])
        >>> resize.random, resize.rowwise
        (False, True)
    """
    if not isinstance(preparation, Preparation):
        preparation = Preparation.parse(preparation)
    return PreparationMap(preparation)


def _nearest(mask: np.ndarray[Any, Any], size: Sequence[int]) -> np.ndarray[Any, Any]:
    # The values of a mask are labels: interpolated, they would be other labels.
    rows, columns = (
        (np.arange(new) + 0.5) * old / new for new, old in zip(size, mask.shape, strict=False)
    )
    return np.asarray(mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)])

"""Augmentation that changes the values of pixels; masks stay as they are. See `labelmill.feed.maps.augment`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.array_pool import empty
from labelmill.feed.maps.base import Augmentation, RowArrays, images_in
from labelmill.feed.maps.elements import stack

Images = npt.NDArray[Any]

# Samples: float32 noise for more than this leaves the processor's cache.
_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Brightness(Augmentation):
    """See `brightness`."""

    most: float

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Rows made brighter or darker."""
        shares = (rows.draws.uniform(0) * 2 - 1) * self.most

        def brighten(images: Images, part: slice) -> Images:
            by = (shares[part] * _full(images.dtype)).astype(np.float32)
            return _added(images, by[:, None, None, None])

        return _changed(rows, "brightness", brighten)


@dataclass(frozen=True)
class Noise(Augmentation):
    """See `noise`."""

    deviation: float

    def __call__(self, rows: RowArrays) -> RowArrays:
        """Rows with noise."""

        def disturb(images: Images, part: slice) -> Images:
            drawn = rows.draws.rows(part).normals(0, images[0].size).reshape(images.shape)
            return _added(images, drawn * np.float32(self.deviation * _full(images.dtype)))

        return _changed(rows, "noise", disturb)


def _changed(rows: RowArrays, name: str, change: Callable[[Images, slice], Images]) -> RowArrays:
    """Changes values, some images at a time; `change` gets images and which rows they are."""
    images = images_in(rows, name)
    if not isinstance(images, np.ndarray):
        parts = [change(image[None], slice(n, n + 1))[0] for n, image in enumerate(images)]
        return replace(rows, inputs=stack(parts))
    out = empty(images.shape, images.dtype)
    few = max(1, _AT_ONCE // max(1, images[0].size if len(images) else 1))
    for start in range(0, len(images), few):
        part = slice(start, min(start + few, len(images)))
        out[part] = change(images[part], part)
    return replace(rows, inputs=out)


def _added(image: Images, by: Any) -> Images:
    if not np.issubdtype(image.dtype, np.integer):
        return np.asarray(image + by, image.dtype)
    most = np.iinfo(image.dtype).max
    return np.asarray(np.clip(np.rint(image + by), 0, most), image.dtype)


def _full(dtype: np.dtype[Any]) -> float:
    return float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0

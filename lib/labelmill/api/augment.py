"""Augmentation: random maps over images, the same for the same seed, epoch and position.

Pass them as ``map=``, like those of `labelmill.maps`.

Example:
    >>> import labelmill
    >>> maps = [labelmill.augment.shift(1, 1), labelmill.augment.brightness(0.1)]
"""

from __future__ import annotations

from labelmill.feed.maps.augment import brightness, crop, flip, noise, rotate90, shift

__all__ = ["brightness", "crop", "flip", "noise", "rotate90", "shift"]

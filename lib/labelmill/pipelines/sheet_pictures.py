"""Pictures of a contact sheet: images, and masks so that a person sees something in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from labelmill.domain.codecs.png import decode_png, encode_png
from labelmill.pipelines.profile_pictures import SIZE_SQL, draw

Key = tuple[str, str]
"""Collection and image_id."""


@dataclass(frozen=True)
class Pictures:
    """PNG files of images, and of masks, by `Key`."""

    images: Mapping[Key, bytes]
    masks: Mapping[Key, bytes]


def pictures_of(own: SparkSession, images: Collection[Key], masks: Collection[Key]) -> Pictures:
    """Draws a few hundred images and masks.

    Args:
        own: Session with the views ``images`` and ``image_chunks``.
        images: Which. What is not in the catalogue has no picture.
        masks: Which.
    """
    drawn: dict[Key, bytes] = {}
    both = {*images, *masks}
    for collection in sorted({key[0] for key in both}):
        ids = sorted(key[1] for key in both if key[0] == collection)
        mine = (F.col("collection") == collection) & F.col("image_id").isin(ids)
        size = F.expr(SIZE_SQL).alias("size")
        known = own.table("images").where(mine).select("image_id", size).collect()
        found = draw(own, collection, {row["image_id"]: row["size"] for row in known})
        drawn |= {(collection, image_id): png for image_id, png in found.items()}
    return Pictures(
        {key: drawn[key] for key in images if key in drawn},
        {key: stretched(drawn[key]) for key in masks if key in drawn},
    )


def stretched(png: bytes) -> bytes:
    """A mask whose values are 0, 1, 2 … is black to the eye: its largest value becomes white.

    Args:
        png: 8 or 16 bits.
    """
    pixels = decode_png(png)
    most = int(pixels.max(initial=0))
    if most in (0, np.iinfo(pixels.dtype).max):
        return png
    return encode_png((pixels.astype(np.float32) * (255.0 / most)).astype(np.uint8))

"""What an image looks like, in 8 bytes and in 144: for finding images that look the same.

The hash is pHash: the 64 lowest frequencies of the DCT-II of a 32×32 grey thumbnail, without the
constant row and column, each one bit: above their median or not (C. Zauner, "Implementation and
Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1). Sizes, compression and
brightness hardly move it. Images with a common background (digits on black) hash alike without
being alike, so the 12×12 lowest frequencies are kept too, one byte each: the cosine of two of
these is the correlation of the two thumbnails, slightly blurred (Parseval's theorem).

All sums are of integers that float64 holds exactly, so the result depends neither on the batch an
image comes in nor on the BLAS that adds it up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SIDE = 32
"""Width and height of the grey thumbnail; aspect ratio does not count, as in pHash."""

LOW = 12
"""Frequencies of an outline, across and down."""

OUTLINE_BYTES = LOW * LOW

FLAT_STD = 2.0
"""Grey levels of 255: a thumbnail that varies less shows nothing that could be told apart."""

Greys = npt.NDArray[np.uint8]
"""``(N, 32, 32)``."""

_WEIGHT_BITS = 12
_LUMA = (299, 587, 114)


class Looks(NamedTuple):
    """What images look like.

    Args:
        hashes: ``(N,)`` uint64; 0 for a flat image.
        outlines: ``(N, 144)`` int8, a unit vector times 127; all 0 for a flat image.
    """

    hashes: npt.NDArray[np.uint64]
    outlines: npt.NDArray[np.int8]


def grey_thumbnails(images: Sequence[npt.NDArray[Any]]) -> Greys:
    """Images as 32×32 grey thumbnails; alpha is left out, as in the statistics.

    Luma is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601); larger images are averaged with a triangle
    as wide as the reduction, smaller ones are interpolated.

    Args:
        images: ``(H, W, C)`` uint8 or uint16 (its high byte) each, of any shapes.
    """
    greys = np.empty((len(images), SIDE, SIDE), np.uint8)
    positions: dict[tuple[int, ...], list[int]] = {}
    for position, image in enumerate(images):
        positions.setdefault(image.shape, []).append(position)
    for shape, group in positions.items():
        batch = np.stack([_grey(images[position]) for position in group]).astype(np.float64)
        small = _weights(shape[0]) @ batch @ _weights(shape[1]).T
        # Two rounds of weights that sum up to 2^12 each.
        greys[group] = np.floor(small / (1 << 2 * _WEIGHT_BITS) + 0.5)
    return greys


def looks(greys: Greys) -> Looks:
    """Hash and outline of thumbnails."""
    turned = _cosines() @ greys.astype(np.float64) @ _cosines().T
    # 1/256 of a grey level is fine enough, and leaves room to square and sum exactly.
    low = np.floor(turned / (1 << 16) + 0.5)
    low[:, 0, 0] = 0
    flat = low.reshape(len(greys), OUTLINE_BYTES)
    energy = (flat * flat).sum(axis=1, keepdims=True)
    shown = energy > (256.0 * SIDE * FLAT_STD) ** 2
    unit = np.divide(flat, np.sqrt(energy), out=np.zeros_like(flat), where=shown)
    outlines = np.floor(unit * 127 + 0.5).astype(np.int8)
    middle = low[:, 1:9, 1:9].reshape(len(greys), 64)
    bits = (middle > np.median(middle, axis=1, keepdims=True)) & shown
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return Looks(hashes, outlines)


def hamming(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Bits in which hashes differ, 0..64."""
    return np.asarray(np.bitwise_count(a ^ b))


def likeness(a: npt.NDArray[np.int8], b: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """Cosine of outlines, −1..1; 0 where one of them is flat.

    Args:
        a: ``(N, 144)``.
        b: ``(N, 144)``.
    """
    left, right = a.astype(np.int32), b.astype(np.int32)
    size = np.sqrt((left * left).sum(axis=1) * (right * right).sum(axis=1).astype(np.float64))
    inner = (left * right).sum(axis=1).astype(np.float64)
    return np.asarray(np.divide(inner, size, out=np.zeros_like(inner), where=size > 0))


def _grey(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    shown = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
    if shown.shape[2] < 3:
        return shown[:, :, 0]
    red, green, blue = (shown[:, :, i].astype(np.uint32) * _LUMA[i] for i in range(3))
    return ((red + green + blue + 500) // 1000).astype(np.uint8)


@lru_cache(maxsize=256)
def _weights(size: int) -> npt.NDArray[np.float64]:
    """``(32, size)`` whole numbers, each row summing up to 2^12: resizes one axis."""
    scale = size / SIDE
    centres = (np.arange(SIDE) + 0.5) * scale
    away = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(scale, 1.0)
    triangle = np.maximum(0.0, 1.0 - away)
    triangle /= triangle.sum(axis=1, keepdims=True)
    # Rounding the running sum, not each weight, keeps the sum what it must be.
    whole = np.floor(np.cumsum(triangle, axis=1) * (1 << _WEIGHT_BITS) + 0.5)
    whole[:, -1] = 1 << _WEIGHT_BITS
    return np.diff(whole, axis=1, prepend=0.0)


@lru_cache(maxsize=1)
def _cosines() -> npt.NDArray[np.float64]:
    """``(12, 32)``: the orthonormal DCT-II's lowest rows, times 2^12, rounded."""
    positions, order = np.arange(SIDE), np.arange(LOW)[:, None]
    rows = np.cos(np.pi * (2 * positions + 1) * order / (2 * SIDE)) * np.sqrt(2 / SIDE)
    rows[0] /= np.sqrt(2)
    return np.asarray(np.floor(rows * (1 << _WEIGHT_BITS) + 0.5))

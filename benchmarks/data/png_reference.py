"""What two other decoders said of the PNG suites (``png-reference.tsv``), held against our pixels.

Neither decoder gives arrays of our shape, so ours are brought into the form that was hashed: Pillow's
``tobytes()`` of its mode, and the PAM file that netpbm's ``pngtopam -alphapam`` writes.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labelmill.domain.codecs import Pixels

REFERENCE = "png-reference.tsv"
SUITES = ("pngsuite", "png-broken")
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def references(data: Path) -> list[dict[str, str]]:
    """One row a file; columns as the table's first line names them."""
    with (data / REFERENCE).open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def agreeing(pixels: Pixels, row: dict[str, str]) -> list[str]:
    """Which of ``pillow`` and ``netpbm`` have these very pixels.

    Args:
        pixels: ``(H, W, C)`` uint8 or uint16.
        row: Of `references`.
    """
    found = []
    mode, _, expected = row["pillow_mode:sha256_of_tobytes"].partition(":")
    if expected and _sha256(_as_pillow(pixels, mode)) == expected:
        found.append("pillow")
    expected = row["netpbm_pam_sha256"]
    if expected and any(_sha256(pam) == expected for pam in _as_netpbm(pixels)):
        found.append("netpbm")
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _as_pillow(pixels: Pixels, mode: str) -> bytes:
    """Empty for modes that cannot be made of ours: a palette's numbers are gone."""
    if mode == "1":
        return np.packbits(pixels[:, :, 0] > 0, axis=1).tobytes()
    if mode == "I;16":
        return pixels[:, :, 0].astype("<u2").tobytes()
    if mode not in _CHANNELS:
        return b""
    # Pillow keeps the high byte of 16-bit colours, and has 16-bit grey + alpha as RGBA.
    shown = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    if shown.shape[2] == 2 and mode == "RGBA":
        shown = shown[:, :, [0, 0, 0, 1]]
    return np.ascontiguousarray(shown[:, :, : _CHANNELS[mode]]).tobytes()


def _as_netpbm(pixels: Pixels) -> Iterator[bytes]:
    """PAM files, always with alpha, for every depth and kind that netpbm may have chosen."""
    full = int(np.iinfo(pixels.dtype).max)
    if pixels.shape[2] in (1, 3):
        opaque = np.full((*pixels.shape[:2], 1), full, pixels.dtype)
        pixels = np.concatenate([pixels, opaque], axis=2)
    shapes = [pixels]
    if pixels.shape[2] == 4 and (pixels[:, :, :1] == pixels[:, :, 1:3]).all():
        shapes.append(pixels[:, :, [0, 3]])
    for shape in shapes:
        height, width, channels = shape.shape
        kind = "GRAYSCALE_ALPHA" if channels == 2 else "RGB_ALPHA"
        for depth in (255, 65535, 1, 3, 15):
            if full % depth:
                continue
            samples = (shape // (full // depth)).astype(">u2" if depth > 255 else "u1")
            header = (
                f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {depth}\n"
                f"TUPLTYPE {kind}\nENDHDR\n"
            )
            yield header.encode() + samples.tobytes()

"""Folders of PNG files for tests, drawn from a seed."""

from __future__ import annotations

import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelmill.domain.codecs.png.codec import encode_png


def write_image_folder(
    folder: Path, images: int = 12, classes: Sequence[str] = "ab", seed: int = 0
) -> Path:
    """``CLASS/NUMBER.png``, 4×4 grey noise, all different."""
    random = np.random.default_rng(seed)
    for number in range(images):
        path = folder / classes[number % len(classes)] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(random.integers(0, 256, (4, 4, 1), np.uint8)))
    return folder


def write_bad_files(folder: Path) -> dict[str, str]:
    """Bad files of every kind below ``folder/bad``; returns their uri → the reason expected."""
    good = encode_png(np.zeros((4, 4, 1), np.uint8))
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    huge = (
        good[:8]
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(b"x"))
        + _chunk(b"IEND", b"")
    )
    files = {
        "bad/cut.png": (good[: len(good) // 2], "truncated"),
        "bad/text.png": (b"this is no picture\n", "not_png"),
        "bad/empty.png": (b"", "not_png"),
        "bad/huge.png": (huge, "too_many_pixels"),
        "bad/flipped.png": (good[:45] + bytes([good[45] ^ 255]) + good[46:], "bad_data"),
    }
    for uri, (data, _) in files.items():
        path = folder / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {uri: reason for uri, (_, reason) in files.items()}


def pack(folder: Path, archive: Path) -> Path:
    """The folder as an archive whose members are sorted."""
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, f"./{path.relative_to(folder)}", recursive=False)
    return archive


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

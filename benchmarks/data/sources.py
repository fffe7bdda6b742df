"""Images to ingest: real ones from public data, and any number of made ones."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from labelmill.domain.codecs.png.codec import encode_png

MNIST = "mnist/mnist_png.tar.gz"
KODAK = "images/kodak"
_FOLDERS = 10


@dataclass(frozen=True)
class SourceFiles:
    """What there is to ingest.

    Attributes:
        path: Folder or archive.
        files: Number of them.
        images: Number of different ones.
        size: Bytes of all files.
    """

    path: Path
    files: int
    images: int
    size: int


def _members(archive: Path, split: str, limit: int | None) -> Iterator[tuple[str, bytes]]:
    taken = 0
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            if limit is not None and taken == limit:
                return
            opened = tar.extractfile(member) if member.isfile() else None
            if opened is not None and member.name.startswith(split):
                taken += 1
                yield member.name, opened.read()


def mnist_folder(data: Path, into: Path, limit: int | None = None) -> SourceFiles:
    """MNIST's 60,000 training images as files ``CLASS/INDEX.png``, or the first `limit` of them."""
    seen, files, size = set(), 0, 0
    for name, content in _members(data / MNIST, "train/", limit):
        target = into / Path(*Path(name).parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        seen.add(hashlib.sha256(content).digest())
        files, size = files + 1, size + len(content)
    return SourceFiles(into, files, len(seen), size)


def mnist_archive(data: Path, into: Path, limit: int | None = None) -> SourceFiles:
    """The archive of MNIST's 70,000 images as it is, or one of its first `limit` images."""
    place = data / MNIST
    if limit is not None:
        place = into / "some.tar.gz"
        with tarfile.open(place, "w:gz") as copy:
            for name, content in _members(data / MNIST, "", limit):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                copy.addfile(member, io.BytesIO(content))
    seen, files, size = set(), 0, 0
    for _, content in _members(place, "", None):
        seen.add(hashlib.sha256(content).digest())
        files, size = files + 1, size + len(content)
    return SourceFiles(place, files, len(seen), size)


def photographs(data: Path, into: Path, count: int, processes: int) -> SourceFiles:
    """768×512 RGB photographs as PNG files: Kodak's 8, mirrored and shifted so that all differ.

    Content and compressibility stay those of photographs; Pillow encodes them with its defaults.
    """
    originals = sorted((data / KODAK).glob("*.png"))
    folder = into / "photo"
    folder.mkdir(parents=True)
    work = [
        (originals[number % len(originals)], number // len(originals), folder / f"{number:04d}.png")
        for number in range(count)
    ]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        found = pool.starmap(_photograph, work, chunksize=4)
    return SourceFiles(into, count, len({digest for digest, _ in found}), sum(s for _, s in found))


def _photograph(original: Path, variation: int, target: Path) -> tuple[bytes, int]:
    pixels = np.asarray(Image.open(original).convert("RGB"))
    mirrored = pixels[:: -1 if variation & 1 else 1, :: -1 if variation & 2 else 1]
    shifted = np.roll(mirrored, 8 * (variation // 4), axis=1)
    sink = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shifted)).save(sink, "PNG")
    target.write_bytes(sink.getvalue())
    return hashlib.sha256(sink.getvalue()).digest(), len(sink.getvalue())


def counted(into: Path, count: int) -> SourceFiles:
    """`count` different 28×28 grey PNG files in ten folders; the same at each call.

    The first four pixels hold the number, the others a pattern that is as large as a digit of MNIST.
    """
    noise = np.random.default_rng(4).integers(0, 256, (28, 28), np.uint8)
    pattern = np.where(np.indices((28, 28)).sum(0) % 3 == 0, noise, 0).astype(np.uint8)
    for folder in range(_FOLDERS):
        (into / str(folder)).mkdir(parents=True, exist_ok=True)
    size = 0
    for number in range(count):
        pixels = pattern.copy()
        pixels[0, :4] = np.frombuffer(number.to_bytes(4, "big"), np.uint8)
        content = encode_png(pixels[..., np.newaxis])
        (into / str(number % _FOLDERS) / f"{number:07d}.png").write_bytes(content)
        size += len(content)
    return SourceFiles(into, count, count, size)

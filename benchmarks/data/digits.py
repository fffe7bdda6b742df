"""MNIST as arrays: what every contestant of a race of epochs feeds."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.idx import HEADER, read_header

IMAGES, CLASSES = "mnist/train-images-idx3-ubyte.gz", "mnist/train-labels-idx1-ubyte.gz"


@dataclass(frozen=True)
class Digits:
    """Labelled images.

    Attributes:
        images: ``(N, 28, 28, 1)`` uint8.
        classes: ``(N,)`` int64, 0 to 9.
    """

    images: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.int64]

    @classmethod
    def read(cls, data: Path, limit: int | None = None) -> Digits:
        """The 60,000 training images, or the first `limit` of them."""
        images, classes = _read(data / IMAGES), _read(data / CLASSES)
        return cls(images[:limit, :, :, np.newaxis], classes[:limit].astype(np.int64))

    @classmethod
    def made(cls, count: int, side: int = 28) -> Digits:
        """`count` square images of noise, all different; the same at each call."""
        noise = np.random.default_rng(5)
        images = noise.integers(0, 256, (count, side, side, 1), np.uint8)
        images.reshape(count, -1)[:, :4] = (
            np.arange(count, dtype="<u4").view(np.uint8).reshape(-1, 4)
        )
        return cls(images, noise.integers(0, 10, count, np.int64))

    def __len__(self) -> int:
        return len(self.classes)

    def write(self, folder: Path) -> dict[str, str]:
        """The arrays as ``.npy`` files; their paths as ``images`` and ``classes``."""
        folder.mkdir(parents=True, exist_ok=True)
        places = {"images": folder / "images.npy", "classes": folder / "classes.npy"}
        np.save(places["images"], self.images)
        np.save(places["classes"], self.classes)
        return {name: str(place) for name, place in places.items()}

    def wrong(self, found: dict[str, object]) -> str:
        """What is wrong with an epoch, as a contestant's ``check`` tells it; empty: nothing."""
        counted = Counter(self.classes.tolist())
        expected: dict[str, object] = {
            "rows": len(self),
            "pixels": int(self.images.sum(dtype=np.int64)),
            # JSON has no other keys than text.
            "classes": {str(label): rows for label, rows in counted.items()},
        }
        return "; ".join(
            f"{what} {found.get(what)}, expected {value}"
            for what, value in expected.items()
            if found.get(what) != value
        )


def _read(place: Path) -> npt.NDArray[np.uint8]:
    with gzip.open(place) as file:
        data = file.read()
    header = read_header(data[:HEADER], place.name)
    return np.frombuffer(data, header.dtype, offset=header.length).reshape(header.shape)

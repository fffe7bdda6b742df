"""IDX files, in which MNIST and its relatives come: a header, then the samples of all items.

Two zero bytes, one that tells the type, one that tells the number of dimensions; each dimension as 32
bits, high byte first; then the values, high bytes first, the last dimension fastest
(http://yann.lecun.com/exdb/mnist, "The IDX file format").
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError

HEADER = 20
"""Most bytes of a header that `read_header` looks at: four dimensions."""

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_TUPLES = {1: "", 3: "RGB", 4: "RGB_ALPHA"}


@dataclass(frozen=True)
class IdxHeader:
    """The header of an IDX file.

    Attributes:
        dtype: NumPy's name of the type as it is stored.
        shape: Number of items, then the shape of one.
        length: Bytes of the header.
    """

    dtype: str
    shape: tuple[int, ...]
    length: int

    @property
    def count(self) -> int:
        """Number of items."""
        return self.shape[0]

    @property
    def item(self) -> int:
        """Bytes of one item."""
        return math.prod(self.shape[1:]) * np.dtype(self.dtype).itemsize


def read_header(data: bytes, name: str) -> IdxHeader:
    """Reads the header of an IDX file of one to four dimensions.

    Args:
        data: The file's first `HEADER` bytes, or all of a shorter file.
        name: The file, for errors.

    Raises:
        InputError: The bytes are not such a header.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or not 1 <= data[3] <= 4:
        raise InputError(
            f"{name} is not an IDX file: it begins with {data[:4].hex(' ') or 'nothing'}; expected 00 00, a "
            f"type ({', '.join(f'{kind:02x}' for kind in _TYPES)}) and 01 to 04 dimensions"
        )
    length = 4 + 4 * data[3]
    if len(data) < length:
        raise InputError(f"{name} ends within its header, after {len(data)} bytes of {length}")
    return IdxHeader(_TYPES[data[2]], struct.unpack_from(f">{data[3]}I", data, 4), length)


def image_header(header: IdxHeader, name: str) -> bytes:
    """The netpbm header that makes one item of an images file an image file: PGM, or PPM, or PAM.

    Images are ``(H, W)`` grey or ``(H, W, C)`` with 1, 3 (RGB) or 4 (RGBA) channels, uint8.

    Raises:
        InputError: The items are not such images.
    """
    if header.dtype != "u1" or len(header.shape) < 3:
        raise InputError(
            f"{name} holds {header.dtype} of shape {header.shape}; expected images: bytes (type 08) of 3 "
            "dimensions (number, height, width) or 4 (with 1, 3 or 4 channels at the end)"
        )
    _, height, width, *rest = header.shape
    channels = rest[0] if rest else 1
    if not (height and width) or channels not in _TUPLES:
        raise InputError(
            f"{name} holds images of {height}×{width} with {channels} channels; expected at least one "
            "pixel, and 1, 3 or 4 channels at the end of the shape"
        )
    if channels == 4:
        return (
            f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
        ).encode()
    return f"P{5 if channels == 1 else 6}\n{width} {height}\n255\n".encode()


def check_labels(header: IdxHeader, name: str) -> None:
    """Raises InputError unless the file holds whole numbers, one an item or a row of them."""
    shape = header.shape
    if not 1 <= len(shape) <= 2 or "f" in header.dtype or (len(shape) == 2 and not shape[1]):
        raise InputError(
            f"{name} holds {header.dtype} of shape {header.shape}; expected labels: whole numbers (type "
            "08, 09, 0b or 0c) of 1 dimension, or of 2, whose first column is the class"
        )


def rows(data: bytes, header: IdxHeader) -> npt.NDArray[np.int64]:
    """All columns of a file of label rows (QMNIST): ``(N, columns)``.

    Args:
        data: Whole items of a labels file.
        header: The file's; of 2 dimensions.
    """
    values = np.frombuffer(data, header.dtype).astype(np.int64)
    return values.reshape(-1, header.shape[1])


def classes(data: bytes, header: IdxHeader) -> list[str]:
    """Labels as classes: ``7`` for 7; of a row of numbers the first.

    Args:
        data: Whole items of a labels file.
        header: The file's.
    """
    if len(header.shape) == 2:
        return [str(value) for value in rows(data, header)[:, 0].tolist()]
    values = np.frombuffer(data, header.dtype)
    if values.dtype.itemsize == 1:
        names = [str(value) for value in np.arange(256).astype(np.uint8).view(values.dtype)]
        return [names[value] for value in data]
    return [str(value) for value in values.tolist()]


def transposed(samples: bytes, header: IdxHeader) -> bytes:
    """The same samples with rows and columns of each item exchanged (EMNIST stores them so).

    Args:
        samples: Whole items of an images file.
        header: The file's.
    """
    items = np.frombuffer(samples, np.uint8).reshape(-1, *header.shape[1:])
    return np.ascontiguousarray(items.swapaxes(1, 2)).tobytes()


def turned(header: IdxHeader) -> IdxHeader:
    """The header after `transposed`."""
    number, height, width, *rest = header.shape
    return IdxHeader(header.dtype, (number, width, height, *rest), header.length)


def image_files(samples: bytes, header: IdxHeader, begin: bytes) -> list[bytes]:
    """Makes an image file of each item.

    Args:
        samples: Whole items of an images file.
        header: The file's.
        begin: `image_header` of it.
    """
    size = header.item
    return [begin + samples[at : at + size] for at in range(0, len(samples), size)]

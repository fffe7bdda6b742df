"""Images as people hold them, as the arrays that a predictor takes."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from labelmill.domain.codecs import PIXEL_CAP, Pixels, decode_image
from labelmill.errors import ImageError, InputError


def read_images(given: Any, pixel_cap: int = PIXEL_CAP) -> tuple[list[Pixels], list[str]]:
    """Reads one image or many.

    Args:
        given: One image: an array ``(H, W, C)`` with 1 to 4 channels or ``(H, W)`` (grey), uint8 or
            uint16; or the path of an image file. Many: an array ``(N, H, W, C)``, or an iterable of
            images, whose shapes may differ.
        pixel_cap: Most pixels (width × height) of a file.

    Returns:
        Arrays ``(H, W, C)`` and a name for each: the path, or the position as text.

    Raises:
        InputError: Something else, or a file that cannot be read.
        ImageError: A file that is not an image that labelmill decodes; names the file.

    Example:
        >>> images, names = read_images([np.zeros((8, 8), np.uint8), np.zeros((9, 7, 3), np.uint8)])
        >>> [image.shape for image in images], names
        ([(8, 8, 1), (9, 7, 3)], ['0', '1'])
    """
    if isinstance(given, (str, PathLike)):
        return [_read(given, pixel_cap)], [str(fspath(given))]
    if hasattr(given, "__array__"):
        array = np.asarray(given)
        if array.ndim == 4:
            return [_image(image) for image in array], [str(n) for n in range(len(array))]
        return [_image(array)], ["0"]
    if isinstance(given, (bytes, dict)) or not isinstance(given, Iterable):
        raise InputError(
            f"received {_called(given)}; expected an array (height, width, channels), a batch of "
            "them, a path, or a list of arrays or paths"
        )
    images, names = [], []
    for number, one in enumerate(given):
        is_path = isinstance(one, (str, PathLike))
        if not is_path and not hasattr(one, "__array__"):
            raise InputError(
                f"item {number} is {_called(one)}; expected an array (height, width, channels) or a path"
            )
        images.append(_read(one, pixel_cap) if is_path else _image(np.asarray(one)))
        names.append(str(fspath(one)) if is_path else str(number))
    return images, names


def _read(path: str | PathLike[str], pixel_cap: int) -> Pixels:
    file = Path(path)
    if file.is_dir():
        raise InputError(
            f"{file} is a folder; pass its files, such as sorted(Path(…).glob('*.png'))"
        )
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"image {str(file)!r} cannot be read: {error.strerror}") from None
    try:
        return decode_image(data, pixel_cap, file.name)
    except ImageError as error:
        raise ImageError(error.reason, f"{file}: {error}") from None


def _image(array: np.ndarray[Any, Any]) -> Pixels:
    if array.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"an image of dtype {array.dtype}; expected uint8 or uint16 as stored: a model scales and "
            "resizes images itself"
        )
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or 0 in array.shape:
        raise InputError(
            f"an image of shape {array.shape}; expected (height, width, channels) with 1 to 4 channels, "
            "or (height, width); a batch is (images, height, width, channels)"
        )
    return array


def _called(given: object) -> str:
    kind = type(given)
    where = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{where}{kind.__qualname__}"

"""Sample images: scikit-learn's 1,797 real handwritten digits, as PNG files in label folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import InputError


def write_digits(folder: Path) -> Path:
    """Writes ``folder/CLASS/INDEX.png``, 8×8 pixels, 8-bit grey; files that are there are kept.

    scikit-learn's values 0..16 are spread over 0..255.

    Returns:
        ``folder``.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError(
            "the sample digits come with scikit-learn: pip install 'labelmill[demo]'"
        ) from None

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    for index, (image, digit) in enumerate(zip(pixels, digits.target, strict=True)):
        path = folder / str(digit) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(encode_png(image))
            part.replace(path)
    return folder

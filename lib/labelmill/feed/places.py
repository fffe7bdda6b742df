"""Files of a training set, on a local disk or anywhere `pyarrow.fs` reaches."""

from __future__ import annotations

import hashlib
from typing import Any

from pyarrow import fs


def open_input(path: str) -> Any:
    """A file to read bytes from.

    Args:
        path: Local path or URI.

    Raises:
        FileNotFoundError: It is not there.
    """
    if "://" in path:
        files, base = fs.FileSystem.from_uri(path)
        return files.open_input_stream(base)
    return open(path, "rb")


def sha256_of(path: str) -> str | None:
    """SHA-256 (hex) of a file; None where there is none."""
    digest = hashlib.sha256()
    try:
        with open_input(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()

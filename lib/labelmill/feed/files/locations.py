"""Where training sets are stored: on a local disk or anywhere that `pyarrow.fs` can read."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from labelmill import settings
from labelmill.errors import ArtifactError, InputError

_DIGEST = re.compile(r"[0-9a-f]{6,64}")


def open_input(path: str) -> Any:
    """Opens a file to read bytes.

    Args:
        path: Local path or URI.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if "://" in path:
        files, base = fs.FileSystem.from_uri(path)
        return files.open_input_stream(base)
    return open(path, "rb")


def sha256_of(path: str) -> str | None:
    """SHA-256 (hex) of a file; None if there is no such file."""
    digest = hashlib.sha256()
    try:
        with open_input(path) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def local_path(location: str) -> str | None:
    """The path of a location on a local disk; None for any other.

    Example:
        >>> local_path("file:///data/sets"), local_path("s3://bucket/sets")
        ('/data/sets', None)
    """
    if "://" not in location:
        return location
    parts = urlsplit(location)
    return unquote(parts.path) if parts.scheme == "file" and not parts.netloc else None


def find(named: str, root: str | None = None) -> str:
    """The location of a training set.

    Args:
        named: Its folder or URI, its digest, or the first six characters of that or more.
        root: Folder or URI below which digests are looked up; default: that of the settings.

    Raises:
        InputError: No digest below the root begins like that, or several do.
    """
    if "://" in named or not _DIGEST.fullmatch(named) or os.path.isdir(named):
        return named
    below = (settings.load().training_set_root() if root is None else root).rstrip("/")
    fitting = sorted(name for name in _folders(below) if name.startswith(named))
    if len(fitting) > 1:
        raise InputError(
            f"training set {named!r} matches {', '.join(name[:16] for name in fitting)}; give more "
            "characters"
        )
    if not fitting:
        raise InputError(
            f"no training set {named!r} below {below}; list them with `bin/labelmill slice sets`"
        )
    return f"{below}/{fitting[0]}"


def bring(location: str, files: Sequence[str]) -> str:
    """Copies files to a new temporary folder of this machine.

    Args:
        location: URI of their folder.
        files: Their names.

    Returns:
        The folder, which the caller removes. Files that are mapped stay readable without it.

    Raises:
        ArtifactError: A file is missing.
    """
    folder = tempfile.mkdtemp(prefix="labelmill-training-set-")
    try:
        for name in files:
            with open_input(f"{location.rstrip('/')}/{name}") as source:
                with open(Path(folder) / name, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, FileNotFoundError):
            raise ArtifactError(
                f"{name} of the training set in {location} is missing; delete the folder and freeze "
                "the slice again"
            ) from None
        raise
    return folder


def _folders(root: str) -> list[str]:
    if "://" not in root:
        return os.listdir(root) if os.path.isdir(root) else []
    files, base = fs.FileSystem.from_uri(root)
    found = files.get_file_info(fs.FileSelector(base, allow_not_found=True))
    return [info.base_name for info in found if info.type == fs.FileType.Directory]

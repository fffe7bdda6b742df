"""Where training sets lie: on a local disk or anywhere `pyarrow.fs` reaches."""

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


def local_path(place: str) -> str | None:
    """The path of a place on a local disk; None of one elsewhere."""
    if "://" not in place:
        return place
    parts = urlsplit(place)
    return unquote(parts.path) if parts.scheme == "file" and not parts.netloc else None


def find(named: str, root: str | None = None) -> str:
    """Where a training set lies.

    Args:
        named: Its folder or URI, its digest, or six letters or more that this begins with.
        root: Folder or URI below which digests are looked for; default: the settings'.

    Raises:
        InputError: No digest below the root begins so, or several do.
    """
    if "://" in named or not _DIGEST.fullmatch(named) or os.path.isdir(named):
        return named
    below = (settings.load().training_set_root() if root is None else root).rstrip("/")
    fitting = sorted(name for name in _folders(below) if name.startswith(named))
    if len(fitting) > 1:
        raise InputError(
            f"training set {named!r} fits {', '.join(name[:16] for name in fitting)}; give more of it"
        )
    if not fitting:
        raise InputError(
            f"no training set {named!r} below {below}; `bin/labelmill slice sets` lists those there are"
        )
    return f"{below}/{fitting[0]}"


def bring(location: str, files: Sequence[str]) -> str:
    """Copies files of a place elsewhere to a new temporary folder of this machine.

    Returns:
        The folder; whoever asked removes it. Files that are mapped stay readable without it.

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

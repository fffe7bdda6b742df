"""The files of a training set: their size, and their removal.

A folder is named by its digest, and only files that a freeze writes are removed from it: a wrong
location in the catalogue deletes nobody's files. The manifest is removed first, so that the rest of
an interrupted removal does not open as a training set; its row still points to it.
"""

from __future__ import annotations

import os
import re

from pyarrow import fs

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError
from labelmill.feed.files.locations import local_path
from labelmill.feed.files.manifest import MANIFEST
from labelmill.training_sets.destination import open_filesystem

_OWN_FILE = re.compile(
    rf"\.?{re.escape(MANIFEST)}(?:\.new)?|(?:{'|'.join(SPLITS)})-\d{{5,}}\.arrow"
)


def size_of(location: str) -> int | None:
    """Total bytes of a training set's files; None where there are none or they are unreachable."""
    try:
        files, base = _open_location(location)
        listed = _list_files(files, base)
    except InputError:
        return None
    return sum(one.size or 0 for one in listed if _OWN_FILE.fullmatch(one.base_name)) or None


def remove_files(location: str, digest: str) -> list[str] | None:
    """Removes the files of a training set, and its folder when that is empty then.

    Args:
        location: Folder or URI, ``ROOT/DIGEST``. Files may be gone already.
        digest: Of the training set.

    Returns:
        Names of foreign files in the folder; they stay, and so does the folder. None: there was
        no folder.

    Raises:
        InputError: The location is not a folder of this digest, or ``ROOT`` is unreachable.
    """
    files, base = _open_location(location)
    if os.path.basename(base) != digest:
        raise InputError(f"{location} is not a folder named {digest}; its files are left alone")
    try:
        if isinstance(files, fs.LocalFileSystem) and not os.path.isdir(os.path.dirname(base)):
            raise InputError(
                f"{os.path.dirname(base)} is not on this machine; run this where it is, or use --force "
                "to forget the training set and leave its files"
            )
        listed = _list_files(files, base)
        folder = files.get_file_info(base).type == fs.FileType.Directory
        if not listed and not folder:
            return None
        ours = sorted(
            (one for one in listed if _OWN_FILE.fullmatch(one.base_name)),
            key=lambda one: (MANIFEST not in one.base_name, one.base_name),
        )
        for one in ours:
            files.delete_file(one.path)
        others = sorted(one.base_name for one in listed if one not in ours)
        if not others and folder:
            if isinstance(files, fs.LocalFileSystem):
                os.rmdir(base)  # fails if somebody has put a file there meanwhile
            else:
                files.delete_dir(base)
    except OSError as error:
        raise InputError(f"the files in {location} cannot be removed: {error}") from None
    return others


def _open_location(location: str) -> tuple[fs.FileSystem, str]:
    local = local_path(location)
    return (
        open_filesystem(location)
        if local is None
        else (fs.LocalFileSystem(), os.path.abspath(local))
    )


def _list_files(files: fs.FileSystem, base: str) -> list[fs.FileInfo]:
    try:
        found: list[fs.FileInfo] = files.get_file_info(fs.FileSelector(base, allow_not_found=True))
    except OSError as error:
        raise InputError(f"{base} cannot be read: {error}") from None
    return found

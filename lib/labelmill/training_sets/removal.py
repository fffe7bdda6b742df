"""Files of a training set as things that take room: how much, and how they go.

A folder is named by its digest and only what a freeze writes is removed from it, so that a wrong
location in the catalogue costs nobody's files. The manifest goes first: what is left of a removal
that was interrupted opens as no training set, and is found again by its row.
"""

from __future__ import annotations

import os
import re

from pyarrow import fs

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError
from labelmill.feed.files.locations import local_path
from labelmill.feed.files.manifest import MANIFEST
from labelmill.training_sets.destination import opened

_OURS = re.compile(rf"\.?{re.escape(MANIFEST)}(?:\.new)?|(?:{'|'.join(SPLITS)})-\d{{5,}}\.arrow")


def size_of(location: str) -> int | None:
    """Bytes of the files of a training set; None where there are none, or they cannot be reached."""
    try:
        files, base = _opened(location)
        listed = _listed(files, base)
    except InputError:
        return None
    return sum(one.size or 0 for one in listed if _OURS.fullmatch(one.base_name)) or None


def remove_files(location: str, digest: str) -> list[str] | None:
    """Removes the files of a training set, and its folder when nothing else is in it.

    Args:
        location: Folder or URI, ``ROOT/DIGEST``. Files that are gone already are fine.
        digest: Whose they are.

    Returns:
        Names of other files in the folder; they stay, and so does the folder. None: there was no
        folder.

    Raises:
        InputError: The location is no folder of this digest, or ``ROOT`` cannot be reached from
            here.
    """
    files, base = _opened(location)
    if os.path.basename(base) != digest:
        raise InputError(f"{location} is not a folder named {digest}; its files are left alone")
    try:
        if isinstance(files, fs.LocalFileSystem) and not os.path.isdir(os.path.dirname(base)):
            raise InputError(
                f"{os.path.dirname(base)} is not on this machine; run this where it is, or --force to "
                "forget the training set and leave its files"
            )
        listed = _listed(files, base)
        folder = files.get_file_info(base).type == fs.FileType.Directory
        if not listed and not folder:
            return None
        ours = sorted(
            (one for one in listed if _OURS.fullmatch(one.base_name)),
            key=lambda one: (MANIFEST not in one.base_name, one.base_name),
        )
        for one in ours:
            files.delete_file(one.path)
        others = sorted(one.base_name for one in listed if one not in ours)
        if not others and folder:
            if isinstance(files, fs.LocalFileSystem):
                os.rmdir(base)  # refuses what somebody has put there meanwhile
            else:
                files.delete_dir(base)
    except OSError as error:
        raise InputError(f"the files in {location} cannot be removed: {error}") from None
    return others


def _opened(location: str) -> tuple[fs.FileSystem, str]:
    local = local_path(location)
    return opened(location) if local is None else (fs.LocalFileSystem(), os.path.abspath(local))


def _listed(files: fs.FileSystem, base: str) -> list[fs.FileInfo]:
    try:
        found: list[fs.FileInfo] = files.get_file_info(fs.FileSelector(base, allow_not_found=True))
    except OSError as error:
        raise InputError(f"{base} cannot be read: {error}") from None
    return found

"""The class and the split that the path of a source file names.

Paths are data here: split at ``/`` and compared, never resolved, opened or joined to a folder.
"""

from __future__ import annotations

import functools
import posixpath
import re
from urllib.parse import unquote

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "eval": "validation",
}


_ESCAPED = re.compile(r"(\\+)udc([89a-f][0-9a-f])")
_TO_ESCAPE = re.compile(r"(\\*)([\udc80-\udcff])|(\\+)(?=udc[89a-f][0-9a-f])")


def uri_of(path: str) -> str:
    """A path as text that every store takes.

    Bytes that are not UTF-8, which Python reads as lone surrogates, are written out: ``\\udcff`` is
    the byte 0xff. A name that has such letters itself gets its backslashes doubled there, so two
    names stay two. Any other path is its own text.
    """
    return path if path.isascii() and "\\" not in path else _TO_ESCAPE.sub(_escaped, path)


def path_of(uri: str) -> bytes:
    """The path that `uri_of` made a text of, as the file system's bytes."""
    return _ESCAPED.sub(_unescaped, uri).encode("utf-8", "surrogateescape")


def _escaped(found: re.Match[str]) -> str:
    if found[2]:
        return f"{found[1] * 2}\\u{ord(found[2]):x}"
    return found[3] * 2


def _unescaped(found: re.Match[str]) -> str:
    half = "\\" * (len(found[1]) // 2)
    return half + (chr(int(f"dc{found[2]}", 16)) if len(found[1]) % 2 else f"udc{found[2]}")


def _parts(path: str) -> list[str]:
    # Names that are not UTF-8 reach Python with lone surrogates, which no store takes: they are
    # written out (\udcff), so that two such names stay two names.
    clean = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return [part for part in clean.split("/") if part not in ("", ".")]


def class_of(path: str) -> str | None:
    """The class that a file's folder names.

    Args:
        path: Relative POSIX path of the file below the ingested root.

    Returns:
        The parent folder's name (``train/5/1.png`` and ``5/1.png`` → ``5``), or of ``5/train/1.png``
        the one before; None when there is no parent folder, when it is the split's (``train/1.png``,
        ``a/b/train/1.png``), or ``..``.
    """
    return _read_folder(path.rpartition("/")[0])[0]


def split_of_path(path: str) -> str | None:
    """The split that the first or the last folder names: ``train``, ``validation`` or ``test``, else None.

    ``training``, ``testing``, ``val``, ``valid`` and ``eval`` are understood; case does not matter.
    """
    return _read_folder(path.rpartition("/")[0])[1]


# The files of a folder come together: what it says is found once.
@functools.lru_cache(maxsize=64)
def _read_folder(folder: str) -> tuple[str | None, str | None]:
    """The class and the split that a folder's path names."""
    parts = _parts(folder)
    if not parts:
        return None, None
    split = _SPLIT_FOLDERS.get(parts[0].lower())
    if parts[-1] == ".." or (len(parts) == 1 and split):
        return None, split
    last = _SPLIT_FOLDERS.get(parts[-1].lower())
    if last and not split:
        # CLASS/train/1.png. Deeper, nothing says which of the folders is the class.
        return (parts[0] if len(parts) == 2 else None), last
    return parts[-1], split


def path_inside(root: str, path: str) -> str | None:
    """The path relative to `root`, without ``.`` and ``..``; None when it leaves the folder.

    Args:
        root: Absolute path of a folder.
        path: Relative to `root`, absolute, or ``file://`` with percent signs decoded. Other schemes
            (``s3://…``) are not inside.
    """
    if path[:7].lower() == "file://":
        host, _, rest = unquote(path[7:]).partition("/")
        if host not in ("", "localhost"):
            return None
        path = "/" + rest
    elif "://" in path:
        return None
    # Both as text: what ".." or a link means on the disk is not asked for.
    whole = posixpath.normpath(posixpath.join(root, path))
    base = posixpath.normpath(root).rstrip("/") + "/"
    return whole[len(base) :] if whole.startswith(base) and len(whole) > len(base) else None

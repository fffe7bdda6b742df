"""Paths of source files as text.

Paths are data here: split at ``/`` and compared, never resolved, opened or joined to a folder.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

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

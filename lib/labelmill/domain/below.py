"""Whether a path that somebody else wrote stays below a folder. Nothing is looked up on a disk."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote


def below(root: str, path: str) -> str | None:
    """The path relative to `root`, without ``.`` and ``..``; None when it leaves the folder.

    Args:
        root: Absolute path of a folder.
        path: Relative to `root`, absolute, or ``file://`` with percent signs decoded. Other schemes
            (``s3://…``) lie elsewhere.
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

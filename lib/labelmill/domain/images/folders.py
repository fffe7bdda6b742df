"""What the folders of a source mean: which names a split, which a class.

A folder ``train`` is a split in most heaps and a class in a heap of vehicles; and what people pack has a
folder around everything. So the folders of a whole source are looked at before the first path is read.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "eval": "validation",
}

_YEAR = re.compile(r"[-_]?(?:19|20)\d\d$")


def split_named(folder: str) -> str | None:
    """The split that a folder of this name may be: ``train``, ``validation`` or ``test``, else None.

    ``training``, ``testing``, ``val``, ``valid`` and ``eval`` are understood, with a year too
    (``train2017``); case does not matter.

    Example::

        >>> split_named("Training"), split_named("val2017"), split_named("cat")
        ('train', 'validation', None)
    """
    return _SPLITS.get(_YEAR.sub("", folder.lower()))


def parts_of(path: str) -> list[str]:
    """The names in a POSIX path, without ``.``; bytes that are not UTF-8 are written out (``\\udcff``)."""
    # No store takes lone surrogates, and two such names must stay two names.
    clean = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return [part for part in clean.split("/") if part not in ("", ".")]


@dataclass(frozen=True)
class FolderLayout:
    """What the folders of one source mean; picklable.

    Attributes:
        shared: Folders that all files share, down to the first that may be a split.
        splits: Folders below those that are splits though files are directly in them; None: all that
            `split_named` knows.

    Example::

        >>> layout = layout_of(["fruit/Training/Kiwi/1.png", "fruit/Test/Kiwi/1.png"])
        >>> layout.read("fruit/Test/Kiwi/1.png")
        ('Kiwi', 'test')
        >>> layout_of(["train/1.png", "bus/1.png"]).read("train/1.png")
        ('train', None)
    """

    shared: tuple[str, ...] = ()
    splits: frozenset[str] | None = None

    def read(self, path: str) -> tuple[str | None, str | None]:
        """The class and the split of a file.

        Args:
            path: Relative POSIX path below the source's root.

        Returns:
            Class: the parent folder (``train/5/1.png`` and ``5/1.png`` → ``5``), or of ``5/train/1.png``
            the one before; None when there is no parent folder, when it is the split's (``train/1.png``,
            ``a/b/train/1.png``), or ``..``. Split: of the folder on the way that is one, else None.
        """
        return _read(self, path.rpartition("/")[0])


ALONE = FolderLayout()
"""For a path without its source: nothing is shared, and what may be a split is one."""


# The files of a folder come together: what it says is found once.
@functools.lru_cache(maxsize=64)
def _read(layout: FolderLayout, folder: str) -> tuple[str | None, str | None]:
    parts = parts_of(folder)
    if not parts:
        return None, None
    depth = len(layout.shared)
    rest = parts[depth:] if tuple(parts[:depth]) == layout.shared else parts
    on_the_way = next((split for part in rest[:-1] if (split := split_named(part))), None)
    if parts[-1] == "..":
        return None, on_the_way
    if not rest or on_the_way:
        return parts[-1], on_the_way
    last = split_named(rest[-1])
    if not last or (len(rest) == 1 and layout.splits is not None and rest[0] not in layout.splits):
        return rest[-1], None
    # CLASS/train/1.png. Deeper, nothing says which of the folders is the class.
    return (rest[0] if len(rest) == 2 else None), last


class FolderScan:
    """Finds the layout of a source whose paths come one by one; holds no more than a few names."""

    def __init__(self) -> None:
        self._last = ""
        self._shared: tuple[str, ...] | None = None
        self._splits: dict[str, bool] = {}
        """Folders that may be splits → whether a folder is below them."""
        self._others = False

    def add(self, path: str) -> None:
        """Looks at the folders of one file."""
        folder = path.rpartition("/")[0]
        if folder == self._last:
            return
        self._last = folder
        parts = parts_of(folder)
        if not parts:
            return
        end = next((i for i, part in enumerate(parts) if split_named(part)), len(parts))
        if self._shared is None:
            self._shared = tuple(parts[:end])
        kept = _common(self._shared, parts[:end])
        if kept < len(self._shared):
            # The first folder that is no longer shared is one among others now; it is not a split's.
            self._shared, self._splits, self._others = self._shared[:kept], {}, True
        rest = parts[kept:]
        if not rest:
            return
        if split_named(rest[0]):
            self._splits[rest[0]] = self._splits.get(rest[0], False) or len(rest) > 1
        else:
            self._others = True

    def layout(self) -> FolderLayout:
        """What the folders so far mean."""
        # Beside other folders, one is a split only where folders of classes are in it.
        splits = {name for name, deeper in self._splits.items() if deeper or not self._others}
        return FolderLayout(self._shared or (), frozenset(splits))


def layout_of(paths: Iterable[str]) -> FolderLayout:
    """The layout of a source with these paths."""
    scan = FolderScan()
    for path in paths:
        scan.add(path)
    return scan.layout()


def _common(one: tuple[str, ...], other: list[str]) -> int:
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))

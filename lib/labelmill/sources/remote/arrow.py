"""Folders at a `pyarrow.fs` URI, as the driver sees them; workers open the files themselves."""

from __future__ import annotations

from collections.abc import Iterator

from pyarrow import fs

from labelmill.errors import InputError


class ArrowFiles:
    """A folder tree.

    Attributes:
        root: The URI, as workers open it.
    """

    def __init__(self, uri: str) -> None:
        """Looks the folder up.

        Args:
            uri: Percent signs are decoded, as `pyarrow.fs` does.

        Raises:
            ValueError: pyarrow does not know the scheme, or cannot use it here.
            InputError: There is no such folder, or no answer.
        """
        self.root = uri.rstrip("/")
        try:
            self._files, self._base = fs.FileSystem.from_uri(uri)
        except (OSError, NotImplementedError) as error:
            raise ValueError(str(error)) from None
        try:
            kind = self._files.get_file_info(self._base).type
        except OSError as error:
            raise InputError(f"cannot look up {uri}: {error}") from None
        if kind != fs.FileType.Directory:
            what = "does not exist" if kind == fs.FileType.NotFound else "is a file"
            raise InputError(f"{uri} {what}; expected the URI of a folder of images")

    def list_folder(self, below: str) -> Iterator[tuple[str, int | None]]:
        """Names in one folder with their sizes in bytes; None for a folder. In any order.

        Args:
            below: Path of the folder below the root, with a final ``/``; empty: the root.

        Raises:
            InputError: The folder cannot be listed.
        """
        folder = f"{self._base.rstrip('/')}/{below}".rstrip("/")
        try:
            for info in self._files.get_file_info(fs.FileSelector(folder)):
                is_folder = info.type == fs.FileType.Directory
                yield info.base_name, None if is_folder else int(info.size or 0)
        except OSError as error:
            raise InputError(f"cannot list {self.root}/{below}: {error}") from None

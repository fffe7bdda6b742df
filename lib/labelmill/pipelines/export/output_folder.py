"""The folder of an export: which slice it belongs to, and files that appear in it whole or not at all.

Two names in it are reserved: `MARKER` says which slice the folder belongs to and is written first; `PARTS`
contains files that are not finished. Both begin with a dot, so ingest leaves them out.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import tempfile
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from pyarrow import fs

from labelmill.errors import InputError

MARKER = ".labelmill-export.json"
PARTS = ".labelmill-parts"
FORMAT = 1

_OBJECT_STORES = ("s3", "gcs", "abfs")
"""Types of file systems where a file appears when its upload is complete, and a rename is a copy."""


@dataclass(frozen=True)
class Claim:
    """The slice that a folder is the export of.

    Attributes:
        sql: The query.
        snapshot_ms: Milliseconds since 1970 UTC at which it is read.
        format: See `file_names.Format`.
        layout: See `file_names.Layout`.
        limit: At most this many rows; None: all.
    """

    sql: str
    snapshot_ms: int
    format: str
    layout: str
    limit: int | None = None


class OutputFolder:
    """The folder or `pyarrow.fs` URI of an export, on the driver and on executors.

    Args:
        out: The folder, absolute, or the URI.

    Raises:
        InputError: The URI's scheme is unknown.
    """

    def __init__(self, out: str) -> None:
        self.out = out
        try:
            files, base = (
                fs.FileSystem.from_uri(out) if "://" in out else (fs.LocalFileSystem(), out)
            )
        except (ValueError, OSError) as error:
            raise InputError(f"--out {out!r} cannot be written to: {error}") from None
        self._files, self._base = files, str(base).rstrip("/")
        self._is_local = isinstance(self._files, fs.LocalFileSystem)
        self._is_object_store = self._files.type_name in _OBJECT_STORES
        self._created: set[str] = set()

    def claim(self) -> Claim | None:
        """The slice that the folder is the export of; None without a marker.

        Raises:
            InputError: The marker is damaged, or the folder cannot be read.
        """
        try:
            data = self.read(MARKER)
        except OSError as error:
            raise InputError(f"--out {self.out} cannot be read: {error}") from None
        if data is None:
            return None
        try:
            text = json.loads(data)
            if text.pop("labelmill_export") != FORMAT:
                raise ValueError("another version")
            return Claim(**text)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{self.out}/{MARKER} cannot be read ({error}); export to another folder"
            ) from None

    def check_free(self) -> None:
        """Checks, before the work, that the folder is free.

        Raises:
            InputError: It is not empty, or is not a folder.
        """
        try:
            selector = fs.FileSelector(self._base, allow_not_found=True)
            found = [info.base_name for info in self._files.get_file_info(selector)]
        except OSError as error:
            raise InputError(f"--out {self.out} cannot be written to: {error}") from None
        # `PARTS` may be left from a run that was killed before it marked the folder.
        there = sorted(name for name in found if name != PARTS)
        if there:
            raise InputError(
                f"--out {self.out} is not empty ({', '.join(there[:3])}) and not an earlier export; "
                "expected a folder that is new, empty, or an export of the same slice"
            )

    def mark(self, claim: Claim) -> None:
        """Creates the folder, if necessary, and writes the marker.

        Raises:
            InputError: It is not empty, or cannot be created.
        """
        self.check_free()
        text = json.dumps({"labelmill_export": FORMAT, **asdict(claim)}, indent=2)
        try:
            self.write(MARKER, text.encode() + b"\n")
        except OSError as error:
            raise InputError(f"--out {self.out} cannot be written to: {error}") from None

    def require(self, claim: Claim) -> None:
        """Checks that this machine sees the folder that the driver marked.

        Raises:
            InputError: It does not.
        """
        if self.claim() != claim:
            raise InputError(
                f"the folder {self.out} is not visible on worker {socket.gethostname()}; export to a "
                "folder that all workers share, or to a URI"
            )

    def read(self, path: str) -> bytes | None:
        """The bytes of a file in the folder; None when there is none."""
        full_path = f"{self._base}/{path}"
        if self._files.get_file_info(full_path).type != fs.FileType.File:
            return None
        with self._files.open_input_stream(full_path) as file:
            data: bytes = file.read()
        return data

    def holds(self, path: str, data: bytes) -> bool | None:
        """Whether a file in the folder is exactly `data`; None when there is no file."""
        info = self._files.get_file_info(f"{self._base}/{path}")
        if info.type == fs.FileType.NotFound:
            return None
        return info.size == len(data) and self.read(path) == data

    def write(self, path: str, data: bytes) -> None:
        """Writes a file, whole, replacing one of that name.

        Raises:
            OSError: It cannot be written; a file of that name is unchanged.
        """
        with self.writing(path) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self, path: str) -> Any:
        """A stream whose file appears at `path` when the block ends without an error."""
        self._make(os.path.dirname(path))
        final = f"{self._base}/{path}"
        if self._is_object_store:
            # An object appears when its stream ends, even after an error: so nothing is sent before the
            # whole is written.
            with tempfile.TemporaryFile() as whole:
                yield whole
                whole.seek(0)
                with self._files.open_output_stream(final) as file:
                    shutil.copyfileobj(whole, file, 1 << 20)
            return
        self._make(PARTS)
        part = f"{self._base}/{PARTS}/{uuid.uuid4().hex}"
        try:
            with self._files.open_output_stream(part) as file:
                yield file
            self._files.move(part, final)
        except BaseException:
            with contextlib.suppress(OSError):
                self._files.delete_file(part)
            raise

    def tidy(self) -> None:
        """Removes the unfinished files of tasks that were killed."""
        parts = f"{self._base}/{PARTS}"
        if self._files.get_file_info(parts).type == fs.FileType.Directory:
            self._files.delete_dir(parts)
        self._created.discard(PARTS)

    def _make(self, folder: str) -> None:
        """Creates a folder below, once."""
        if folder in self._created or self._is_object_store:
            return
        full_path = f"{self._base}/{folder}"
        if self._is_local:
            # Someone may have put a link among the folders of an earlier run.
            real, root = os.path.realpath(full_path), os.path.realpath(self._base)
            if os.path.commonpath([real, root]) != root:
                raise OSError(f"{full_path} leads out of {self._base}, to {real}")
        self._files.create_dir(full_path, recursive=True)
        self._created.add(folder)


def explain_write_error(error: OSError) -> str:
    """The error in words that say what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full, or the quota is used up ({error})"
    return str(error)

"""The folder of an export: whose it is, and files that appear in it whole or not at all.

Two names in it are ours: `MARKER` says which slice the folder belongs to and is written first;
below `PARTS` lie files that are not finished. Both begin with a dot, so ingest leaves them out.
"""

from __future__ import annotations

import contextlib
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

_WHOLE_AT_ONCE = ("s3", "gcs", "abfs")
"""Object stores: a file appears when its upload is complete, and a rename is a copy."""


@dataclass(frozen=True)
class Claim:
    """What a folder is the export of.

    Attributes:
        sql: The query.
        snapshot_ms: Milliseconds since 1970 UTC that it is read at.
        format: See `export_names.Format`.
        layout: See `export_names.Layout`.
        limit: At most so many rows; None: all.
    """

    sql: str
    snapshot_ms: int
    format: str
    layout: str
    limit: int | None = None


class Place:
    """A folder or `pyarrow.fs` URI; on the driver and on executors.

    Args:
        out: The folder, absolute, or the URI.

    Raises:
        InputError: A URI of an unknown kind.
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
        self._at_once = self._files.type_name in _WHOLE_AT_ONCE
        self._made: set[str] = set()

    def claim(self) -> Claim | None:
        """What the folder is the export of; None without a marker.

        Raises:
            InputError: The marker is damaged, or the place cannot be read.
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
                f"{self.out}/{MARKER} cannot be understood ({error}); export to another folder"
            ) from None

    def check_free(self) -> None:
        """Makes sure, before the work, that the folder may be taken.

        Raises:
            InputError: It holds something, or is no folder.
        """
        try:
            selector = fs.FileSelector(self._base, allow_not_found=True)
            found = [info.base_name for info in self._files.get_file_info(selector)]
        except OSError as error:
            raise InputError(f"--out {self.out} cannot be written to: {error}") from None
        # What a run left that was killed before it had marked the folder.
        there = sorted(name for name in found if name != PARTS)
        if there:
            raise InputError(
                f"--out {self.out} is not empty ({', '.join(there[:3])}) and no earlier export; "
                "expected a folder that is new, empty, or an export of the same slice"
            )

    def take(self, claim: Claim) -> None:
        """Makes the folder, if need be, and marks it as ours.

        Raises:
            InputError: It holds something, or cannot be made.
        """
        self.check_free()
        text = json.dumps({"labelmill_export": FORMAT, **asdict(claim)}, indent=2)
        try:
            self.write(MARKER, text.encode() + b"\n")
        except OSError as error:
            raise InputError(f"--out {self.out} cannot be written to: {error}") from None

    def require(self, claim: Claim) -> None:
        """Makes sure that this machine sees the folder that the driver marked.

        Raises:
            InputError: It does not.
        """
        if self.claim() != claim:
            raise InputError(
                f"the folder {self.out} is not visible on worker {socket.gethostname()}; export to a "
                "folder that all workers share, or to a URI"
            )

    def read(self, path: str) -> bytes | None:
        """The bytes of a file below; None when there is none."""
        place = f"{self._base}/{path}"
        if self._files.get_file_info(place).type != fs.FileType.File:
            return None
        with self._files.open_input_stream(place) as file:
            data: bytes = file.read()
        return data

    def holds(self, path: str, data: bytes) -> bool | None:
        """Whether a file below is exactly `data`; None when there is no file."""
        info = self._files.get_file_info(f"{self._base}/{path}")
        if info.type == fs.FileType.NotFound:
            return None
        return info.size == len(data) and self.read(path) == data

    def write(self, path: str, data: bytes) -> None:
        """Puts a file below, whole, in the place of one that is there.

        Raises:
            OSError: It cannot be written; nothing by that name was changed.
        """
        with self.writing(path) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self, path: str) -> Any:
        """A stream whose file appears at `path` when the block ends well."""
        self._make(os.path.dirname(path))
        final = f"{self._base}/{path}"
        if self._at_once:
            # An object appears when its stream ends, after an error too: nothing is sent before all of
            # it is there.
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
        """Removes what tasks that were killed left unfinished."""
        place = f"{self._base}/{PARTS}"
        if self._files.get_file_info(place).type == fs.FileType.Directory:
            self._files.delete_dir(place)
        self._made.discard(PARTS)

    def _make(self, folder: str) -> None:
        """Makes a folder below, once."""
        if folder in self._made or self._at_once:
            return
        place = f"{self._base}/{folder}"
        if self._is_local:
            # Somebody may have put a link among the folders of an earlier run.
            real, root = os.path.realpath(place), os.path.realpath(self._base)
            if os.path.commonpath([real, root]) != root:
                raise OSError(f"{place} leads out of {self._base}, to {real}")
        self._files.create_dir(place, recursive=True)
        self._made.add(folder)

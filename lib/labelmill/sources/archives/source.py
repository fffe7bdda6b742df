"""Archives of image files, streamed by the driver and never unpacked to disk.

Files come in the order of the members of a tar archive, or of the central directory of a zip archive.
Members' names are data: no file is opened or written by them. Two members with one name are both
ingested.

Left out, and counted as skipped: what `labelmill.sources.folder` leaves out, links and
devices, sparse files of tar archives, names longer than `NAME_CAP`.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

from labelmill.domain.images.folders import ALONE, FolderScan
from labelmill.domain.images.paths import uri_of
from labelmill.errors import InputError
from labelmill.sources.archives import tar, zip_members
from labelmill.sources.archives.zip_directory import Directory
from labelmill.sources.base import ARCHIVED_FILE_CAP, LATE_FOLDERS, SourceOptions, Wave, WaveBuilder
from labelmill.sources.decompress import ByteStream, Damaged
from labelmill.sources.file_filter import SYSTEM_FOLDERS, leave_out, why_left_out

NAME_CAP = 8192
"""Longest uri, in bytes: a key of a row in Kudu has 16 KiB."""

_ORDINARY_NAME = 512


class ArchiveSource:
    """An archive; see `labelmill.sources.base.ImageSource`."""

    default_labels = "folder"

    def __init__(self, options: SourceOptions, endings: tuple[str, ...]) -> None:
        """Opens the archive; counts the members of a zip archive.

        Args:
            options: The archive's path, and how many files of it.
            endings: Endings of names that are ingested, in lower case.

        Raises:
            InputError: There is no such file, or its zip directory is damaged.
        """
        self.name, self.root = options.source, ""
        self.skipped: Counter[str] = Counter()
        self.total: int | None = None
        self.layout, self.notes = ALONE, list[str]()
        self._scan = FolderScan()
        self._limit = options.limit
        self._endings = endings
        self._directory: Directory | None = None
        try:
            if self.name.lower().endswith(".zip"):
                self._directory = Directory(self.name, options.zip_encoding)
                choose = _Chooser(self._endings, Counter())
                number = 0
                for uri, _ in zip_members.images(self._directory, choose, Counter()):
                    number += 1
                    self._scan.add(uri)
                if self._directory.guessed:
                    self.notes.append(
                        f"names such as {self._directory.guessed[:60]!r} are not UTF-8, and the archive does "
                        "not say what they are: they are read as code page 437. --zip-encoding gbk (or "
                        "shift_jis, cp1251, …) reads them as that"
                    )
                self.total = number if self._limit is None else min(number, self._limit)
            else:
                with ByteStream(self.name):
                    pass
        except (OSError, Damaged) as error:
            raise InputError(f"cannot read {self.name}: {error}") from error

    def waves(self) -> Iterator[Wave]:
        """See `ImageSource.waves`. Of a tar archive, the folders are those of its first wave."""
        first = True
        for wave in self._waves():
            if first:
                self.layout, first = self._scan.layout(), False
            yield wave
        if self._scan.layout() != self.layout:
            self.notes.append(LATE_FOLDERS)

    def _waves(self) -> Iterator[Wave]:
        wave, seen = WaveBuilder(), 0
        try:
            for uri, size, data, fault in self._members():
                length = len(data) if data is not None else 0
                if not wave.has_room(length):
                    yield wave.take()
                wave.add(uri, size, pixel_bytes(data or b"", length), data=data, fault=fault)
                self._scan.add(uri)
                seen += 1
                if seen == self._limit:
                    break
                if wave.is_full():
                    yield wave.take()
        except Damaged as error:
            if wave.count:
                yield wave.take()
            raise InputError(
                f"{self.name} is damaged after {seen:,} images: {error}; those are ingested; what "
                "follows cannot be read"
            ) from error
        if wave.count:
            yield wave.take()

    def _members(self) -> Iterator[tuple[str, int, bytes | None, str | None]]:
        choose = _Chooser(self._endings, self.skipped)
        if self._directory is not None:
            yield from zip_members.members(self._directory, choose, self.skipped, ARCHIVED_FILE_CAP)
            return
        with ByteStream(self.name) as stream:
            for uri, size, data in tar.members(stream, choose, self.skipped, ARCHIVED_FILE_CAP):
                yield uri, size, data, None


class _Chooser:
    """From a member's name to its uri; None, and counted, when it is not an image."""

    def __init__(self, endings: tuple[str, ...], skipped: Counter[str]) -> None:
        self._endings, self._skipped = endings, skipped

    def __call__(self, name: str) -> str | None:
        # Fast path: nearly all names are plain, and there are many.
        lower = name.lower()
        if (
            name.isascii()
            and len(name) < _ORDINARY_NAME
            and lower.endswith(self._endings)
            and not any(folder in lower for folder in SYSTEM_FOLDERS)
            and not ("/." in name or "//" in name or "\\" in name or name[0] in "./")
        ):
            return name
        # "./train/5/1.png" and "train/5/1.png" are the same path.
        uri = uri_of("/".join(part for part in name.split("/") if part not in ("", ".")))
        reason = why_left_out(uri, self._endings)
        if not reason and len(uri.encode()) > NAME_CAP:
            reason = f"name above {NAME_CAP:,} bytes"
        if not reason:
            return uri
        leave_out(self._skipped, reason)
        return None


_HEADER = struct.Struct(">IIBB")
_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}

_MOST_EXPANSION = 8 * 1032
"""Most bytes of pixels per byte of a PNG: deflate compresses at most 1,032 bytes into one, and a byte has up
to eight pixels. A header that promises more is wrong."""


def pixel_bytes(data: bytes, size: int) -> int:
    """Bytes of the decoded array, as a PNG's header promises; `size` for other files.

    Args:
        data: The file, or at least its first 26 bytes.
        size: Bytes of the file.
    """
    if data[12:16] != b"IHDR" or len(data) < 26:
        return size
    width, height, depth, colour = _HEADER.unpack_from(data, 16)
    promised: int = width * height * _SAMPLES.get(colour, 4) * (2 if depth == 16 else 1)
    return min(promised, size * _MOST_EXPANSION)

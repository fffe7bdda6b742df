"""Heaps of files to ingest, listed in a fixed order and cut into waves of bounded size.

A source is a folder, an archive (``.tar``, ``.tar.gz``, ``.tgz``) or a folder behind a
`pyarrow.fs` URI (``s3://…``, ``hdfs://…``). Files of a folder are opened by the workers, so it must
be reachable from them. An archive is streamed by the driver and never unpacked to disk.

The order is that of the paths in a folder and that of the members in an archive; the first of two
files with the same bytes gives the image its ``uri``.

Left out, and counted as skipped: files not named ``.png``, hidden files (``.DS_Store``, ``._x.png``),
links and devices in archives, and folders behind symbolic links.
"""

from __future__ import annotations

import contextlib
import os
import struct
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pyarrow import fs

from labelmill.domain.source import path_of, uri_of
from labelmill.errors import InputError

WAVE_FILES = 50_000
"""Most files of a wave: what the driver knows of a file at once is small but not nothing."""

WAVE_BYTES = 64 << 20
"""Most file bytes of a wave, except that one file is always a wave."""

WAVE_PIXELS = 256 << 20
"""About so many bytes of decoded pixels in a wave: files may be packed a thousandfold."""

_SAMPLE = 64
_HEADER = struct.Struct(">IIBB")
_SAMPLES = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}

ARCHIVED_FILE_CAP = 96 << 20
"""Largest file of an archive that is read: its bytes go to a worker inside a task, and Spark aborts
on a task of 128 MiB (spark.rpc.message.maxSize). A wave of more than one file holds less."""

FILE_CAP = 512 << 20
"""Largest file that is read; no PNG within the default pixel cap needs more."""

ARCHIVES = (".tar", ".tar.gz", ".tgz")


@dataclass
class Wave:
    """Files that are decoded and written together.

    Attributes:
        uris: Paths below the root, POSIX, as `labelmill.domain.source.uri_of` writes them.
        sizes: Bytes of each file.
        pixels: Bytes of decoded pixels, as far as headers or a sample of them tell.
        data: The files' bytes, for an archive; None where the worker opens ``root/uri``. A file
            above `ARCHIVED_FILE_CAP` has None here too and is quarantined.
    """

    uris: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    data: list[bytes | None] | None = None
    bytes: int = 0
    pixels: int = 0

    def has_room(self, size: int) -> bool:
        """Whether a further file of `size` bytes keeps the wave within `WAVE_BYTES`."""
        return not self.uris or self.bytes + size <= WAVE_BYTES

    def is_full(self) -> bool:
        """Whether no further file should be added."""
        return (
            len(self.uris) >= WAVE_FILES or self.bytes >= WAVE_BYTES or self.pixels >= WAVE_PIXELS
        )


def pixel_bytes(head: bytes) -> int:
    """Bytes of the decoded array that a PNG's first 26 bytes promise; 0 when they are none."""
    if len(head) < 26 or head[12:16] != b"IHDR":
        return 0
    width, height, depth, colour = _HEADER.unpack_from(head, 16)
    return int(width * height * _SAMPLES.get(colour, 4) * (2 if depth == 16 else 1))


class Source:
    """One heap. Iterate `waves` once; `skipped` counts what was left out, by reason.

    Attributes:
        root: Folder or URI for the workers; empty for an archive.
        total: Number of files when known before reading (folders), else None.
    """

    def __init__(self, source: str, limit: int | None = None) -> None:
        """Looks at the source without reading files.

        Raises:
            InputError: There is no such folder or archive.
        """
        self.name, self._limit = source, limit
        self.skipped: Counter[str] = Counter()
        self.seen = 0
        self.root = ""
        self._each = 0
        self._listed: list[tuple[str, int]] | None = None
        if "://" in source:
            self.root = source.rstrip("/")
            self._listed = self._list_uri(source)
        elif os.path.isdir(source):
            self.root = os.path.abspath(source)
            self._listed = sorted(self._list_folder(self.root))
        elif not (source.lower().endswith(ARCHIVES) and os.path.isfile(source)):
            what = "is not a folder or archive" if os.path.exists(source) else "does not exist"
            raise InputError(
                f"{source} {what}; expected a folder, a URI, or a file named {', '.join(ARCHIVES)}"
            )
        if self._listed is not None and limit is not None:
            self._listed = self._listed[:limit]

    @property
    def total(self) -> int | None:
        """Number of files to read, when known."""
        return None if self._listed is None else len(self._listed)

    def waves(self) -> Iterator[Wave]:
        """The files, in order.

        Raises:
            InputError: An archive is damaged; the waves before were good.
        """
        return self._archive_waves() if self._listed is None else self._folder_waves(self._listed)

    def learn(self, pixels: int, files: int) -> None:
        """Tells how many bytes of pixels files of this heap have: the next waves are sized by it."""
        if files:
            self._each = pixels // files

    def _folder_waves(self, listed: list[tuple[str, int]]) -> Iterator[Wave]:
        self._each = self._sampled([uri for uri, _ in listed])
        wave = Wave()
        for uri, size in listed:
            self.seen += 1
            wave.uris.append(uri)
            wave.sizes.append(size)
            wave.bytes += size
            wave.pixels += self._each
            if wave.is_full():
                yield wave
                wave = Wave()
        if wave.uris:
            yield wave

    def _archive_waves(self) -> Iterator[Wave]:
        wave = Wave(data=[])
        # tarfile closes the file behind a broken stream by itself.
        try:
            with tarfile.open(self.name, "r|*") as archive:
                for member in archive:
                    # tarfile keeps every member it has seen; a long archive would fill the memory.
                    archive.members = []  # type: ignore[attr-defined]
                    uri = uri_of(_clean(member.name))
                    if not member.isfile():
                        if not member.isdir():
                            self.skipped["link or device"] += 1
                        continue
                    if not self._wanted(uri):
                        continue
                    size = member.size if member.size <= ARCHIVED_FILE_CAP else 0
                    if not wave.has_room(size):
                        yield wave
                        wave = Wave(data=[])
                    self._take(wave, archive, member, uri)
                    if wave.is_full():
                        yield wave
                        wave = Wave(data=[])
                    if self._limit is not None and self.seen >= self._limit:
                        break
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            if wave.uris:
                yield wave
            raise InputError(
                f"{self.name} is damaged after {self.seen:,} images ({error}); those are ingested, "
                "what follows cannot be read"
            ) from error
        if wave.uris:
            yield wave

    def _take(
        self, wave: Wave, archive: tarfile.TarFile, member: tarfile.TarInfo, uri: str
    ) -> None:
        self.seen += 1
        opened = archive.extractfile(member) if member.size <= ARCHIVED_FILE_CAP else None
        data = opened.read() if opened is not None else None
        if data is not None and len(data) != member.size:
            raise EOFError(f"{uri} is cut off")
        assert wave.data is not None
        wave.data.append(data)
        wave.uris.append(uri)
        wave.sizes.append(member.size)
        wave.bytes += len(data or b"")
        wave.pixels += pixel_bytes((data or b"")[:26])

    def _sampled(self, uris: list[str]) -> int:
        """Mean bytes of pixels of some files, spread over the heap."""
        found = []
        read = reader(self.root)
        for uri in uris[:: max(1, len(uris) // _SAMPLE)]:
            with contextlib.suppress(OSError):
                found.append(min(pixel_bytes(read(uri, 26)), WAVE_PIXELS))
        return sum(found) // max(1, len(found))

    def _list_folder(self, root: str) -> Iterator[tuple[str, int]]:
        waiting = [""]
        while waiting:
            below = waiting.pop()
            with os.scandir(os.path.join(root, below)) as entries:
                for entry in entries:
                    path = f"{below}/{entry.name}" if below else entry.name
                    uri = uri_of(path)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif entry.is_dir():
                        self.skipped["folder behind a link"] += 1
                    elif self._wanted(uri):
                        yield uri, _size(entry)

    def _list_uri(self, source: str) -> list[tuple[str, int]]:
        try:
            files, base = fs.FileSystem.from_uri(source)
            infos = files.get_file_info(fs.FileSelector(base, recursive=True))
        except (OSError, ValueError, NotImplementedError) as error:
            raise InputError(f"cannot list {source}: {error}") from None
        listed = []
        for info in infos:
            uri = uri_of(str(PurePosixPath(info.path).relative_to(base)))
            if info.type == fs.FileType.File and self._wanted(uri):
                listed.append((uri, int(info.size or 0)))
        return sorted(listed)

    def _wanted(self, uri: str) -> bool:
        name = uri.rsplit("/", 1)[-1]
        if any(part.startswith(".") and part not in (".", "..") for part in uri.split("/")):
            self.skipped["hidden"] += 1
        elif not name.lower().endswith(".png"):
            self.skipped[f"not named .png: {Path(name).suffix.lower() or 'no ending'}"] += 1
        else:
            return True
        return False


def reader(root: str) -> Callable[[str, int], bytes]:
    """Reads files of a folder or URI: uri and number of bytes (-1: all) to bytes.

    The function raises OSError where a file cannot be read.
    """
    if "://" not in root:
        return _FolderReader(root)
    return _UriReader(root)


class _FolderReader:
    def __init__(self, root: str) -> None:
        self._root = os.fsencode(root)

    def __call__(self, uri: str, size: int) -> bytes:
        with open(os.path.join(self._root, path_of(uri)), "rb") as file:
            return file.read(size)


class _UriReader:
    def __init__(self, root: str) -> None:
        self._files, self._base = fs.FileSystem.from_uri(root)

    def __call__(self, uri: str, size: int) -> bytes:
        name = os.fsdecode(path_of(uri))
        with self._files.open_input_stream(f"{self._base}/{name}") as file:
            return bytes(file.read() if size < 0 else file.read(size))


def _clean(name: str) -> str:
    # "./train/5/1.png" and "train/5/1.png" are the same place.
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        # A dangling link: the worker will say so when it cannot read it.
        return 0

"""Members of a zip archive, decompressed and checked; a bad member does not affect the others."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

from labelmill.sources.archives.tar import NOT_A_FILE
from labelmill.sources.archives.zip_directory import Directory, Entry
from labelmill.sources.decompress import Damaged

_STORED, _DEFLATED = 0, 8
_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 99: "AES"}
_ENCRYPTED = 0x2041
_PATCH = 0x0020
_LOCAL_HEADER = 30
_AHEAD, _ALONE = 1 << 20, 1 << 12
_LARGEST_SIZE = (1 << 63) - 1
"""Largest size that a table holds; zip64 can claim twice as much."""


def images(
    directory: Directory, uri_of_image: Callable[[str], str | None], skipped: Counter[str]
) -> Iterator[tuple[str, Entry]]:
    """Members to ingest, with their uris, in the directory's order.

    Args:
        directory: The archive's.
        uri_of_image: From a member's name to its uri, or None when it is not ingested.
        skipped: Counts links and devices.

    Raises:
        Damaged: The directory is.
    """
    for entry in directory.entries():
        if entry.kind == "file":
            uri = uri_of_image(entry.name)
            if uri is not None:
                yield uri, entry
        elif entry.kind == "other":
            skipped[NOT_A_FILE] += 1


def members(
    directory: Directory,
    uri_of_image: Callable[[str], str | None],
    skipped: Counter[str],
    cap: int,
) -> Iterator[tuple[str, int, bytes | None, str | None]]:
    """Files of an archive, in order; see `images`.

    Args:
        cap: Bytes up to which a file is decompressed.

    Yields:
        Uri, size; the bytes, unless there are more than `cap` or they cannot be read; and
        ``REASON: message`` of a file that is bad.

    Raises:
        Damaged: The directory is, or the archive cannot be read.
    """
    with _Window(directory.path) as window:
        for uri, entry in images(directory, uri_of_image, skipped):
            if entry.size > cap:
                yield uri, min(entry.size, _LARGEST_SIZE), None, None
                continue
            try:
                data, fault = _read_member(window, entry)
            except OSError as error:
                raise Damaged(str(error)) from error
            yield uri, entry.size, data, fault


def _read_member(window: _Window, entry: Entry) -> tuple[bytes | None, str | None]:
    """The bytes of one member, as far as they can be read, and what is wrong with them."""
    if entry.flags & _ENCRYPTED:
        return None, "encrypted: the member of the archive is encrypted; ingest it unpacked"
    if entry.method not in (_STORED, _DEFLATED) or entry.flags & _PATCH:
        return None, (
            f"unsupported: the member of the archive is compressed by method {entry.method} "
            f"({_METHODS.get(entry.method, 'unknown')}); ingest it unpacked, or compress it with Deflate"
        )
    header = window.read(entry.offset, _LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        return None, "bad_data: the member of the archive does not begin where its directory says"
    before = _LOCAL_HEADER + int.from_bytes(header[26:28], "little")
    before += int.from_bytes(header[28:30], "little")
    # Compressed data is never much larger than the file.
    compressed = window.read(entry.offset + before, min(entry.compressed, 2 * entry.size + _ALONE))
    data, whole = compressed, len(compressed) == entry.compressed
    if entry.method == _DEFLATED:
        inflate = zlib.decompressobj(-15)
        try:
            # One byte more than promised reveals a bomb; no more of it is decompressed.
            data = inflate.decompress(compressed, entry.size + 1)
        except zlib.error as error:
            return None, f"bad_data: the member of the archive cannot be unpacked ({error})"
        whole = inflate.eof
    if len(data) < entry.size or (len(data) == entry.size and not whole):
        return data, (
            f"truncated: the archive holds {len(data):,} bytes of the member; its directory says "
            f"{entry.size:,}"
        )
    if len(data) > entry.size:
        return None, (
            "bad_data: the member of the archive unpacks to more than the "
            f"{entry.size:,} bytes that its directory says"
        )
    if zlib.crc32(data) != entry.checksum:
        return data, "bad_data: the member's CRC-32 is not the one in the archive's directory"
    return data, None


class _Window:
    """Reads parts of a file: ahead while reads are sequential, else little more than requested."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._length = os.fstat(self._file).st_size
        self._start, self._data = 0, b""

    def __enter__(self) -> _Window:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; fewer at the end of the file, none outside of it."""
        if not 0 <= offset <= self._length:
            return b""
        at = offset - self._start
        if not 0 <= at <= len(self._data) - size:
            follows = 0 <= at <= len(self._data)
            self._data = b""
            self._data = _read(self._file, offset, max(size, _AHEAD if follows else _ALONE))
            self._start, at = offset, 0
        return self._data[at : at + size]


def _read(file: int, offset: int, size: int) -> bytes:
    # One read returns at most 2 GiB, and may return less than requested.
    parts = []
    while size and (part := os.pread(file, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)

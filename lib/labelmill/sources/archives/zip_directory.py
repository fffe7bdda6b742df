"""The central directory of a zip archive, read in blocks: a million members take one block of memory.

Decision 0063 says why `zipfile`, which holds all members at once, is not used.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from labelmill.sources.decompress import Damaged

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = 30
_LONGEST_COMMENT = 65535
_BLOCK = 1 << 20
_UNIX = (3, 19)
_ZIP64, _UNICODE_NAME = 0x0001, 0x7075
_UTF8 = 1 << 11


class Entry(NamedTuple):
    """One member.

    Attributes:
        name: As the directory has it.
        kind: ``file``, ``folder`` or ``other`` (links, devices).
        flags: Bit 0 is encryption.
        method: How it is compressed.
        checksum: CRC-32 of the uncompressed bytes.
        compressed: Bytes in the archive.
        size: Uncompressed bytes; like `offset`, any number below 2**64 that the archive claims.
        offset: Where its local header is, from the start of the file.
    """

    name: str
    kind: str
    flags: int
    method: int
    checksum: int
    compressed: int
    size: int
    offset: int


class Directory:
    """The directory of a zip archive.

    Attributes:
        path: The archive.
        length: Bytes of the archive.
        guessed: A name that is not UTF-8, though nothing says how it is encoded; the first one read.
    """

    def __init__(self, path: str, encoding: str = "") -> None:
        """Opens `path`.

        Args:
            encoding: Of names that the archive does not say to be UTF-8, and that are not.

        Raises:
            OSError: It cannot be opened.
            Damaged: It is not a zip archive, is part of a split one, or its end is missing.
        """
        self.path, self._encoding = path, encoding
        self.guessed: str | None = None
        with open(path, "rb", buffering=0) as file:
            descriptor = file.fileno()
            self.length = os.fstat(descriptor).st_size
            self._start, self._size, self._count, self._shift = _find(descriptor, self.length)

    def entries(self) -> Iterator[Entry]:
        """Members in the directory's order.

        Raises:
            Damaged: The directory is malformed, or its members together are larger than the archive.
        """
        occupied = number = at = 0
        buffer, read = b"", 0
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self._start)
            while True:
                end = at + _ENTRY.size
                if end <= len(buffer):
                    values = _ENTRY.unpack_from(buffer, at)
                    end += values[12] + values[13] + values[14]
                if end > len(buffer):
                    block = file.read(min(_BLOCK, self._size - read))
                    if not block:
                        break
                    buffer, at, read = buffer[at:] + block, 0, read + len(block)
                    continue
                entry = self._entry(values, buffer[at + _ENTRY.size : end])
                number, at = number + 1, end
                occupied += _LOCAL + entry.compressed
                if occupied > self.length:
                    raise Damaged(
                        "its members overlap, as in a zip bomb: together they have more bytes than "
                        "the archive"
                    )
                yield entry
        # Archivers without zip64 write the count modulo 65,536.
        if at != len(buffer) or read != self._size or (number - self._count) & 0xFFFF:
            raise Damaged(
                f"its directory has {number:,} members that can be read; expected {self._count:,}"
            )

    def _entry(self, values: tuple[Any, ...], rest: bytes) -> Entry:
        (signature, _, host, _, _, flags, method, _, _, checksum, compressed, size) = values[:12]
        name_length, extra_length, _, disk, _, attributes, offset = values[12:]
        if signature != b"PK\x01\x02":
            raise Damaged("its directory has other bytes where a member must be")
        raw = rest[:name_length]
        if extra_length:
            extra = _extra_fields(rest[name_length : name_length + extra_length])
            large = iter(struct.iter_unpack("<Q", _whole_numbers(extra.get(_ZIP64, b""))))
            size, compressed, offset = (
                next(large, (value,))[0] if value == 0xFFFFFFFF else value
                for value in (size, compressed, offset)
            )
            raw = _unicode_name(raw, extra.get(_UNICODE_NAME, b""))
        if disk not in (0, 0xFFFF):
            raise Damaged(_SPLIT)
        kind = "file"
        if raw.endswith(b"/"):
            kind = "folder"
        elif host in _UNIX and stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG):
            kind = "other"
        return Entry(
            self._decode(raw, flags, host),
            kind,
            flags,
            method,
            checksum,
            compressed,
            size,
            offset + self._shift,
        )

    def _decode(self, raw: bytes, flags: int, host: int) -> str:
        if host not in _UNIX:
            raw = _with_slashes(raw)
        if flags & _UTF8:
            return raw.decode("utf-8", "surrogateescape")
        # Many archivers write UTF-8 without the flag; text in a code page is hardly ever valid UTF-8.
        try:
            return raw.decode()
        except UnicodeDecodeError:
            pass
        if not self._encoding:
            self.guessed = self.guessed or raw.decode("cp437")
            return raw.decode("cp437")
        name = raw.decode(self._encoding, "surrogateescape")
        return name if host in _UNIX or "/" in name else name.replace("\\", "/")


_SPLIT = "it is part of a split archive; join the parts first (zip -s 0 IN.zip --out OUT.zip)"


def _find(file: int, length: int) -> tuple[int, int, int, int]:
    """Start, bytes and member count of the directory, and by how much the members' offsets are shifted."""
    tail_at = max(0, length - _END.size - _LONGEST_COMMENT)
    tail = os.pread(file, length - tail_at, tail_at)
    at = len(tail)
    while (at := tail.rfind(b"PK\x05\x06", 0, at)) >= 0:
        if at + _END.size <= len(tail):
            _, disk, first_disk, _, count, size, offset, comment = _END.unpack_from(tail, at)
            if at + _END.size + comment <= len(tail):
                break
    else:
        raise Damaged(
            "it is not a zip archive, or it is cut off: the directory of its members, which is at the end, "
            "is missing"
        )
    end = tail_at + at
    locator = os.pread(file, _LOCATOR64.size, max(0, end - _LOCATOR64.size))
    if locator.startswith(b"PK\x06\x07") and end >= _LOCATOR64.size:
        _, disk, end64, disks = _LOCATOR64.unpack(locator)
        if disks > 1 or disk:
            raise Damaged(_SPLIT)
        # Where a program precedes the archive, the offset that is written is too low.
        for position in (end - _LOCATOR64.size - _END64.size, min(end64, length)):
            record = os.pread(file, _END64.size, max(0, position))
            if record.startswith(b"PK\x06\x06") and len(record) == _END64.size:
                _, _, _, _, disk, first_disk, _, count, size, offset = _END64.unpack(record)
                end = position
                break
        else:
            raise Damaged("its directory's end, for large archives, is missing")
    if disk or first_disk:
        raise Damaged(_SPLIT)
    for shift in (end - size - offset, 0):
        start = offset + shift
        if 0 <= start <= end - size and (not count or os.pread(file, 4, start) == b"PK\x01\x02"):
            return start, size, count, shift
    raise Damaged("its directory is not where its end says")


def _extra_fields(extra: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        fields.setdefault(kind, extra[at + 4 : at + 4 + length])
        at += 4 + length
    return fields


def _whole_numbers(field: bytes) -> bytes:
    return field[: len(field) & ~7]


def _unicode_name(raw: bytes, field: bytes) -> bytes:
    """The name in UTF-8 that some archivers add; valid only if it was made for this name."""
    if field[:1] == b"\x01" and field[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
        return field[5:]
    return raw


def _with_slashes(raw: bytes) -> bytes:
    r"""A name of DOS or Windows with ``/`` between folders; some archivers write ``\\``.

    In other encodings than UTF-8, the byte may be half of a letter.
    """
    if b"\\" not in raw or b"/" in raw:
        return raw
    try:
        return raw.decode().replace("\\", "/").encode()
    except UnicodeDecodeError:
        return raw

"""Bytes of a file from its start to its end, unpacked on the way when they are packed.

gzip, bzip2 and xz are known by their first bytes, not by the file's name. Whatever a packed file
unpacks to, one block of it is held at a time.
"""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, BinaryIO

BLOCK = 1 << 20
"""Most bytes that are unpacked at a time."""

_PACKED = 1 << 18
_XZ_MEMORY = 512 << 20
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"


class Damaged(Exception):
    """Bytes end too early or are not what they should be; the message says what was found."""


class Stream:
    """One file.

    Attributes:
        buffer: Bytes that are unpacked; those before `at` are done with.
        at: Where in `buffer` the next bytes are. A reader in a hurry may look and move it itself.
        problem: Why the bytes end where they do, when that is not the file's end: it cannot be read
            or unpacked any further. Empty until the bytes before are used up.
    """

    def __init__(self, path: str) -> None:
        """Opens `path`; raises OSError when that cannot be."""
        self._file: BinaryIO = open(path, "rb", buffering=0)  # noqa: SIM115
        first = self._file.read(10)
        self._file.seek(0)
        self._blocks: Iterator[bytes] | None = None
        if first.startswith(_GZIP):
            self._blocks = _unpacked(self._file, _GZIP, lambda: zlib.decompressobj(31))
        elif first.startswith(_BZIP2) and first[4:10] == b"1AY&SY":
            self._blocks = _unpacked(self._file, _BZIP2, bz2.BZ2Decompressor)
        elif first.startswith(_XZ):
            self._blocks = _unpacked(
                self._file, _XZ, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            )
        self.buffer, self.at = b"", 0
        self.problem = ""

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def more(self) -> bool:
        """Adds a block to what is left of `buffer`; False at the end."""
        block = self._block()
        self.buffer = self.buffer[self.at :] + block
        self.at = 0
        return bool(block)

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        part = self.buffer[self.at : self.at + size]
        self.at += len(part)
        if len(part) == size:
            return part
        parts, missing = [part], size - len(part)
        while missing and (block := self._block()):
            parts.append(block[:missing])
            self.buffer, self.at = block, len(parts[-1])
            missing -= self.at
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Leaves out `size` bytes, without reading them where the file is not packed.

        Raises:
            Damaged: There are fewer.
        """
        missing = size - (len(self.buffer) - self.at)
        if missing <= 0:
            self.at += size
            return
        self.buffer, self.at = b"", 0
        if self._blocks is None:
            rest = os.fstat(self._file.fileno()).st_size - self._file.tell()
            if missing > rest:
                raise self.cut()
            self._file.seek(missing, os.SEEK_CUR)
            return
        while missing:
            block = self._block()
            if not block:
                raise self.cut()
            if len(block) > missing:
                self.buffer, self.at = block, missing
                return
            missing -= len(block)

    def cut(self, where: str = "") -> Damaged:
        """The error that there are no more bytes, in `where`."""
        return Damaged(self.problem or f"it is cut off{where and ' in '}{where}")

    def _block(self) -> bytes:
        try:
            if self._blocks is None:
                return self._file.read(BLOCK)
            return next(self._blocks, b"")
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            self.problem, self._blocks = str(error), iter(())
            return b""


def _unpacked(file: BinaryIO, magic: bytes, new: Callable[[], Any]) -> Iterator[bytes]:
    """Blocks of a packed file. Packed files one after another are one, as for gzip, bzip2 and xz.

    What follows and is not packed is no part of it. Checksums are checked by the unpackers.
    """
    packed = file.read(_PACKED)
    while packed.startswith(magic):
        unpack = new()
        while not unpack.eof:
            block = unpack.decompress(packed, BLOCK)
            # zlib gives back what it did not come to; the others keep it.
            packed = getattr(unpack, "unconsumed_tail", b"")
            if block:
                yield block
            elif not unpack.eof and not packed and not (packed := file.read(_PACKED)):
                raise EOFError("it is cut off")
        packed = unpack.unused_data.lstrip(b"\0")
        if len(packed) < len(magic):
            packed = (packed + file.read(_PACKED)).lstrip(b"\0")

"""Bytes of a file from start to end, decompressed on the way when it is compressed.

gzip, bzip2 and xz are recognized by their first bytes, not by the file's name. Whatever a file
decompresses to, one block of it is held at a time.
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
"""Most bytes that are decompressed at a time."""

_COMPRESSED_BLOCK = 1 << 18
_XZ_MEMORY = 512 << 20
_GZIP, _BZIP2, _XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00"


class Damaged(Exception):
    """Bytes end too early or are not what they should be; the message says what was found."""


class ByteStream:
    """The decompressed bytes of one file.

    Attributes:
        buffer: Decompressed bytes; those before `at` have been read.
        at: Where in `buffer` the next bytes are. Hot loops may read `buffer` and move it themselves.
        problem: Why the bytes end before the end of the file: it cannot be read or decompressed any
            further. Empty until the bytes before that are used up.
    """

    def __init__(self, path: str) -> None:
        """Opens `path`; raises OSError when it cannot be opened."""
        self._file: BinaryIO = open(path, "rb", buffering=0)  # noqa: SIM115
        first = self._file.read(10)
        self._file.seek(0)
        self._blocks: Iterator[bytes] | None = None
        if first.startswith(_GZIP):
            self._blocks = _decompressed(self._file, _GZIP, lambda: zlib.decompressobj(31))
        elif first.startswith(_BZIP2) and first[4:10] == b"1AY&SY":
            self._blocks = _decompressed(self._file, _BZIP2, bz2.BZ2Decompressor)
        elif first.startswith(_XZ):
            self._blocks = _decompressed(
                self._file, _XZ, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
            )
        self.buffer, self.at = b"", 0
        self.problem = ""

    def __enter__(self) -> ByteStream:
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
        """Skips `size` bytes, without reading them when the file is not compressed.

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
        """The error that the file ends too early, in `where`."""
        return Damaged(self.problem or f"it is cut off{where and ' in '}{where}")

    def _block(self) -> bytes:
        try:
            if self._blocks is None:
                return self._file.read(BLOCK)
            return next(self._blocks, b"")
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            self.problem, self._blocks = str(error), iter(())
            return b""


def _decompressed(
    file: BinaryIO, magic: bytes, new_decompressor: Callable[[], Any]
) -> Iterator[bytes]:
    """Blocks of a compressed file. Concatenated streams are one file, as for gzip, bzip2 and xz.

    Trailing bytes that are not compressed do not belong to it. The decompressors verify checksums.
    """
    compressed = file.read(_COMPRESSED_BLOCK)
    while compressed.startswith(magic):
        decompressor = new_decompressor()
        while not decompressor.eof:
            block = decompressor.decompress(compressed, BLOCK)
            # zlib hands back what it did not consume; the others keep it.
            compressed = getattr(decompressor, "unconsumed_tail", b"")
            if block:
                yield block
            elif (
                not decompressor.eof
                and not compressed
                and not (compressed := file.read(_COMPRESSED_BLOCK))
            ):
                raise EOFError("it is cut off")
        compressed = decompressor.unused_data.lstrip(b"\0")
        if len(compressed) < len(magic):
            compressed = (compressed + file.read(_COMPRESSED_BLOCK)).lstrip(b"\0")

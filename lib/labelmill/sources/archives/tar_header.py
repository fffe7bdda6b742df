"""Fields of tar headers, and records of PAX headers."""

from __future__ import annotations

from zlib import adler32

from labelmill.sources.decompress import Damaged

_GNU = b"ustar  \0"


def checksum_is_right(header: bytes) -> bool:
    """Whether the checksum of a header of 512 bytes is right."""
    # Adler-32's low half is a sum of bytes modulo 65,521, so it is exact for 256 bytes.
    expected = (adler32(header[:256]) & 0xFFFF) + (adler32(header[256:]) & 0xFFFF) - 2
    field = header[148:156]
    expected += 256 - (adler32(field) & 0xFFFF) + 1
    try:
        found = number_of(field)
    except Damaged:
        return False
    if found == expected:
        return True
    # Some old archivers summed signed bytes.
    others = header[:148] + header[156:]
    return found == expected - 256 * sum(byte > 127 for byte in others)


def number_of(field: bytes) -> int:
    """A number of a header: octal text, or binary when it is too large for that.

    Raises:
        Damaged: It is neither, or is negative.
    """
    if field[0] == 0o200:
        return int.from_bytes(field[1:], "big")
    try:
        number = int(field.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise Damaged(f"a header has {field!r} for a number")
    return number


def name_of(header: bytes) -> str:
    """The name in a header itself; bytes that are not UTF-8 become lone surrogates."""
    name = header[:100].partition(b"\0")[0]
    # Where POSIX stores the first part of a long name, GNU stores times.
    if header[345] and header[257:265] != _GNU:
        name = header[345:500].partition(b"\0")[0] + b"/" + name
    return name.decode("utf-8", "surrogateescape")


def records_of(body: bytes) -> dict[str, str]:
    """``LENGTH KEY=VALUE`` lines of a PAX header; LENGTH counts the whole line.

    Raises:
        Damaged: The records are malformed.
    """
    records: dict[str, str] = {}
    at = 0
    while at < len(body) and body[at]:
        space = body.find(b" ", at, at + 20)
        length = decimal_of(body[at : max(space, at)].decode("ascii", "replace"))
        equals = body.find(b"=", space, at + length)
        # The newline too: a wrong length would cut a name short.
        if space < 0 or equals < 0 or body[at + length - 1 : at + length] != b"\n":
            raise Damaged("a PAX header is not made of LENGTH KEY=VALUE lines")
        key = body[space + 1 : equals].decode("utf-8", "surrogateescape")
        records[key] = body[equals + 1 : at + length - 1].decode("utf-8", "surrogateescape")
        at += length
    return records


def decimal_of(text: str) -> int:
    """A number in a PAX header; raises `Damaged` when it is not one."""
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Damaged(f"a PAX header has {text[:40]!r} for a number")
    return int(text)

"""An unlimited series of damaged PNG files, from a seed: for showing that a decoder neither crashes nor lies.

Half of the damage is by chance alone and mostly found by a checksum; the other half comes with right
checksums and so reaches what lies behind them: header fields, lengths, packed data, filters.

Usage::

    for made in mutations(every_kind(), count=10_000, seed=4):
        decode(made.data)
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from labelmill.testing.png.files import SIGNATURE, chunk

Chunk = tuple[bytes, bytes]
"""Type and data."""


class Mutation(NamedTuple):
    """One damaged file.

    Args:
        number: Its place in the sequence; seed and number are enough to make it again.
        kinds: Names of what was done, one after the other.
        data: The file.
    """

    number: int
    kinds: tuple[str, ...]
    data: bytes


def mutations(
    files: Sequence[bytes], count: int, seed: int = 0, start: int = 0
) -> Iterator[Mutation]:
    """Damaged files; the same for the same files and seed, wherever zlib packs alike.

    Args:
        files: Whole PNG files, one at least.
        count: How many to make.
        seed: Another seed, other damage.
        start: Number of the first one: parts of one sequence can be made apart.
    """
    for number in range(start, start + count):
        yield mutation(files, number, seed)


def mutation(files: Sequence[bytes], number: int, seed: int = 0) -> Mutation:
    """The file with this number of the sequence that `mutations` makes."""
    # A text as a seed is hashed: neighbouring numbers have nothing in common.
    chance = random.Random(f"{seed}/{number}")
    data = chance.choice(files)
    kinds = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.choice(list(KINDS))
        data = KINDS[kind](data, files, chance)
        kinds.append(kind)
    return Mutation(number, tuple(kinds), data)


def chunks_of(data: bytes) -> list[Chunk]:
    """The chunks of a file as far as their lengths make sense; checksums are not looked at."""
    found, position = [], len(SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        found.append((kind, data[position + 8 : position + 8 + length]))
        position += length + 12
    return found


def file_of(chunks: Sequence[Chunk]) -> bytes:
    """Chunks as a file, with right checksums."""
    return SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks)


def _bit_flips(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _hole(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + data[start + chance.randint(1, 20) :]


def _zeros(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    start, length = chance.randint(0, len(data)), chance.randint(1, 40)
    return data[:start] + bytes(length) + data[start + length :]


def _noise(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + chance.randbytes(chance.randint(1, 40)) + data[start:]


def _joined(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    """The head of one file and the tail of another."""
    other = chance.choice(files)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def _chunks_spliced(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    chunks = chunks_of(data)
    strange = chunks_of(chance.choice(files)) or [(b"IDAT", b"")]
    chunks.insert(chance.randint(0, len(chunks)), chance.choice(strange))
    return file_of(chunks)


def _chunks_swapped(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    chunks = chunks_of(data)
    chance.shuffle(chunks)
    return file_of(chunks)


def _chunk_lost(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    chunks = chunks_of(data)
    if chunks:
        chunks.pop(chance.randrange(len(chunks)))
    return file_of(chunks)


def _chunk_named_otherwise(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    names = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"zTXt", b"fdAT", b"NONE")

    def renamed(kind: bytes, content: bytes) -> Chunk:
        return chance.choice((*names, chance.randbytes(4))), content

    return _changed(data, chance, renamed)


def _chunk_data_changed(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    def damaged(kind: bytes, content: bytes) -> Chunk:
        return kind, chance.choice((_bit_flips, _cut, _hole, _noise))(content, files, chance)

    return _changed(data, chance, damaged)


def _length_changed(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    starts, position = [], len(SIGNATURE)
    for _, content in chunks_of(data):
        starts.append(position)
        position += len(content) + 12
    start = chance.choice(starts or [0])
    length = chance.choice((0, 1, chance.randrange(200), 1 << 31, (1 << 32) - 1))
    return data[:start] + struct.pack(">I", length) + data[start + 4 :]


def _header_changed(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    sizes = (0, 1, 2, 7, 8, 63, 1000, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)

    def changed(kind: bytes, content: bytes) -> Chunk:
        if kind != b"IHDR" or len(content) != 13:
            return kind, content
        fields = list(struct.unpack(">IIBBBBB", content))
        place = chance.randrange(7)
        if place < 2:
            fields[place] = chance.choice((*sizes, chance.randrange(40)))
        else:
            fields[place] = chance.choice((0, 1, 2, 3, 4, 6, 8, 16, chance.randrange(256)))
        return kind, struct.pack(">IIBBBBB", *fields)

    return file_of([changed(*one) for one in chunks_of(data)])


def _rows_changed(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    """Damage below the packing: filters that do not exist, rows too few or too many."""

    def repacked(kind: bytes, content: bytes) -> Chunk:
        try:
            raw = zlib.decompressobj().decompress(content, 1 << 20)
        except zlib.error:
            return kind, content
        damage = chance.choice((_bit_flips, _cut, _hole, _noise, _zeros))
        return kind, zlib.compress(damage(raw, files, chance), chance.choice((0, 1, 9)))

    return file_of(
        [repacked(*one) if one[0] == b"IDAT" else one for one in chunks_of(data)],
    )


def _data_in_pieces(data: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    """Image data in many chunks, often with something between them."""
    chunks: list[Chunk] = []
    for kind, content in chunks_of(data):
        if kind != b"IDAT":
            chunks.append((kind, content))
            continue
        step = chance.randint(1, 40)
        for start in range(0, len(content), step):
            chunks.append((kind, content[start : start + step]))
            if not chance.randrange(30):
                chunks.append(chance.choice(((b"IDAT", b""), (b"tEXt", b"x"), (b"tRNS", b"\0\1"))))
    return file_of(chunks)


def _changed(data: bytes, chance: random.Random, change: Callable[[bytes, bytes], Chunk]) -> bytes:
    chunks = chunks_of(data)
    if chunks:
        place = chance.randrange(len(chunks))
        chunks[place] = change(*chunks[place])
    return file_of(chunks)


KINDS: dict[str, Callable[[bytes, Sequence[bytes], random.Random], bytes]] = {
    "bit flips": _bit_flips,
    "cut": _cut,
    "hole": _hole,
    "zeros": _zeros,
    "noise": _noise,
    "two files joined": _joined,
    "chunk spliced in": _chunks_spliced,
    "chunks swapped": _chunks_swapped,
    "chunk lost": _chunk_lost,
    "chunk named otherwise": _chunk_named_otherwise,
    "chunk data changed": _chunk_data_changed,
    "length changed": _length_changed,
    "header changed": _header_changed,
    "rows changed": _rows_changed,
    "data in pieces": _data_in_pieces,
}
"""What can be done to a file, by name."""

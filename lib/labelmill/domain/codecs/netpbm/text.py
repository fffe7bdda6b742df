"""Samples of plain (text) netpbm rasters, read block by block in linear time and memory.

White space separates numbers (bits need none); ``#`` starts a comment to the end of the line. Reading
stops at the last sample: whatever follows is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.domain.codecs.pixels import Pixels
from labelmill.errors import ImageError

_BLOCK = 1 << 16
_LONGEST = 10
"""Most digits of a number, including leading zeros."""

_COMMENT = re.compile(rb"#[^\r\n]*")
_LINE_END = re.compile(rb"[\r\n]")
_SPACE = np.zeros(256, np.bool_)
_SPACE[list(b" \t\n\v\f\r")] = True


def bits_of_text(data: bytes, start: int, wanted: int) -> npt.NDArray[np.uint8]:
    """The first ``wanted`` characters ``0`` and ``1`` from ``start`` on.

    Returns:
        ``(wanted,)``, 0 or 1.

    Raises:
        ImageError: ``bad_data`` for another character, ``truncated`` when the file ends before.
    """
    found = np.empty(wanted, np.uint8)
    count = 0
    for block in _blocks(data, start):
        codes = np.frombuffer(block, np.uint8)
        bits = codes[~_SPACE[codes]][: wanted - count] - np.uint8(ord("0"))
        if (bits > 1).any():
            raise _no_number(block, codes, (codes & 0xFE) == ord("0"))
        found[count : count + len(bits)] = bits
        count += len(bits)
        if count == wanted:
            return found
    raise _ended(count, wanted)


def numbers_of_text(data: bytes, start: int, wanted: int, maxval: int) -> Pixels:
    """The first ``wanted`` numbers from ``start`` on.

    Args:
        data: The whole file.
        start: Where its samples begin.
        wanted: How many numbers; the text must be long enough for them, see `NetpbmHeader`.
        maxval: The largest number allowed, up to 65535.

    Returns:
        ``(wanted,)`` uint8 for a maxval below 256, else uint16.

    Raises:
        ImageError: ``bad_data`` for what is not a number or is too large, ``truncated`` when the file
            ends before.
    """
    found: Pixels = np.empty(wanted, np.uint8) if maxval < 256 else np.empty(wanted, np.uint16)
    count, carry = 0, b""
    for block in _blocks(data, start):
        text = carry + block
        codes = np.frombuffer(text, np.uint8)
        digits = (codes - np.uint8(ord("0"))) < 10
        wrong = np.flatnonzero(~(digits | _SPACE[codes]))
        end = int(wrong[0]) if len(wrong) else len(text)
        edges = np.diff(digits[:end].view(np.int8), prepend=np.int8(0), append=np.int8(0))
        starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
        carry = b""
        if end == len(text) and len(ends) and ends[-1] == end:
            # The last number may go on in the next block.
            carry = text[starts[-1] :]
            starts, ends = starts[:-1], ends[:-1]
        starts, ends = starts[: wanted - count], ends[: wanted - count]
        found[count : count + len(starts)] = _values(codes, starts, ends - starts, maxval)
        count += len(starts)
        if count == wanted:
            return found
        if end < len(text):
            raise _no_number(text, codes, digits)
        if len(carry) > _LONGEST:
            raise _too_long(len(carry))
    raise _ended(count, wanted)


def _values(
    codes: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.intp],
    lengths: npt.NDArray[np.intp],
    maxval: int,
) -> npt.NDArray[np.int64]:
    values = np.zeros(len(starts), np.int64)
    longest = int(lengths.max(initial=0))
    if longest > _LONGEST:
        raise _too_long(longest)
    for place in range(longest):
        more = lengths > place
        digits = codes[starts[more] + place].astype(np.int64) - ord("0")
        values[more] = values[more] * 10 + digits
    check_samples(values, maxval)
    return values


def check_samples(samples: npt.NDArray[np.integer[Any]], maxval: int) -> None:
    """Passes samples up to the maxval.

    Raises:
        ImageError: ``bad_data``.
    """
    largest = int(samples.max(initial=0))
    if largest > maxval:
        raise ImageError(
            "bad_data", f"a sample of {largest} is above the header's maxval of {maxval}"
        )


def _blocks(data: bytes, start: int) -> Iterator[bytes]:
    """The text in blocks without comments; the last one ends in white space."""
    comment = False
    for position in range(start, len(data), _BLOCK):
        block = data[position : position + _BLOCK]
        if comment:
            line_end = _LINE_END.search(block)
            if line_end is None:
                continue
            block = block[line_end.start() :]
        line = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
        comment = block.find(b"#", line) >= 0
        yield _COMMENT.sub(b" ", block)
    yield b"\n"


def _no_number(
    text: bytes, codes: npt.NDArray[np.uint8], good: npt.NDArray[np.bool_]
) -> ImageError:
    at = int(np.flatnonzero(~(good | _SPACE[codes]))[0])
    return ImageError("bad_data", f"expected a sample, received {text[at : at + 12]!r}")


def _too_long(length: int) -> ImageError:
    return ImageError("bad_data", f"a sample of {length} digits or more is not a sample")


def _ended(count: int, wanted: int) -> ImageError:
    return ImageError("truncated", f"the file ends after {count:,} of {wanted:,} samples")

"""Headers of netpbm files, checked completely before memory is allocated for pixels."""

from __future__ import annotations

import re
from typing import NamedTuple

from labelmill.domain.codecs.magic import kind_of, netpbm_begins
from labelmill.domain.codecs.pixels import check_pixel_count
from labelmill.errors import ImageError

_LONGEST = 1 << 16
"""Most bytes of a header, including comments."""

_GAP = re.compile(rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])*")
_NUMBER = re.compile(rb"[0-9]{1,10}")
_END = re.compile(rb"[ \t\n\v\f\r]|#[^\r\n]*[\r\n]")
_TEXT = (1, 2, 3)
_CHANNELS = {1: 1, 2: 1, 3: 3, 4: 1, 5: 1, 6: 3}
# Tuple type → channels, and whether its maxval must be 1. Without a tuple type the depth decides.
_TUPLES = {
    "GRAYSCALE": (1, False),
    "GRAYSCALE_ALPHA": (2, False),
    "RGB": (3, False),
    "RGB_ALPHA": (4, False),
    "BLACKANDWHITE": (1, True),
    "BLACKANDWHITE_ALPHA": (2, True),
}
_PAM_NUMBERS = ("WIDTH", "HEIGHT", "DEPTH", "MAXVAL")


class NetpbmHeader(NamedTuple):
    """The parts of a netpbm header that decoding needs.

    Args:
        magic: The number after the P, 1 to 7.
        width: Pixels.
        height: Pixels.
        channels: 1 to 4.
        maxval: The sample that means full, 1 to 65535; 1 for bitmaps.
        start: Where the samples begin, in bytes.
    """

    magic: int
    width: int
    height: int
    channels: int
    maxval: int
    start: int

    @property
    def samples(self) -> int:
        """Number of samples of the image."""
        return self.height * self.width * self.channels

    @property
    def raster_bytes(self) -> int:
        """Bytes of the samples; for text, the fewest possible."""
        if self.magic == 4:
            return self.height * ((self.width + 7) // 8)
        if self.magic == 1:
            return self.samples
        if self.magic in _TEXT:
            return 2 * self.samples - 1
        return self.samples * (2 if self.maxval > 255 else 1)


def read_header(data: bytes, pixel_cap: int) -> NetpbmHeader:
    """Reads and checks the header, and that the file is long enough for what it promises.

    Args:
        data: The whole file.
        pixel_cap: Most pixels (width × height) that the header may promise.

    Raises:
        ImageError: ``unknown_format``, ``truncated``, ``bad_header`` or ``too_many_pixels``.
    """
    if not netpbm_begins(data):
        what, advice = kind_of(data)
        raise ImageError("unknown_format", f"expected a netpbm image, received {what}; {advice}")
    magic = data[1] - ord("0")
    head = data[:_LONGEST]
    whole = len(head) == len(data)
    header = _pam(head, whole) if magic == 7 else _plain(magic, head, whole)
    if not (header.width and header.height):
        raise ImageError(
            "bad_header",
            f"width and height must be 1 or more, received {header.width}×{header.height}",
        )
    if not 0 < header.maxval < 1 << 16:
        raise ImageError("bad_header", f"the maxval must be 1 to 65535, received {header.maxval}")
    check_pixel_count(header.width, header.height, pixel_cap)
    there = len(data) - header.start
    if there < header.raster_bytes:
        raise ImageError(
            "truncated",
            f"{header.width}×{header.height} pixels take {header.raster_bytes:,} bytes, "
            f"{max(there, 0):,} are there",
        )
    return header


def _plain(magic: int, head: bytes, whole: bool) -> NetpbmHeader:
    """Of P1 to P6: numbers apart from white space and comments."""
    numbers: list[int] = []
    position = 2
    for field in ("width", "height", "maxval")[: 2 if magic in (1, 4) else 3]:
        position = _GAP.match(head, position).end()  # type: ignore[union-attr]
        found = _NUMBER.match(head, position)
        if found is None:
            raise _missing(head, position, whole, field)
        numbers.append(int(found[0]))
        position = found.end()
    # One white space, no more, parts the header from the samples: they may look like white space.
    end = _END.match(head, position)
    if end is None:
        raise _missing(head, position, whole, "white space after the header")
    width, height, maxval = (*numbers, 1)[:3]
    return NetpbmHeader(magic, width, height, _CHANNELS[magic], maxval, end.end())


def _missing(head: bytes, position: int, whole: bool, field: str) -> ImageError:
    rest = head[position : position + 12]
    if whole and (not rest or (rest[:1] == b"#" and not re.search(rb"[\r\n]", head[position:]))):
        return ImageError("truncated", f"the file ends in its header, before its {field}")
    if not rest or rest[:1] == b"#":
        return _too_long()
    return ImageError("bad_header", f"the header's {field} is missing: received {rest!r}")


def _too_long() -> ImageError:
    return ImageError("bad_header", f"the header does not end within {_LONGEST:,} bytes")


def _pam(head: bytes, whole: bool) -> NetpbmHeader:
    """Of P7: lines of a keyword and a value, up to ENDHDR."""
    values: dict[str, str] = {}
    position = head.find(b"\n") + 1
    if position == 0:
        raise ImageError("truncated", "the file ends in its header") if whole else _too_long()
    if head[2:position].strip():
        raise ImageError("bad_header", f"a PAM file begins 'P7' alone, received {head[:12]!r}")
    while True:
        end = head.find(b"\n", position)
        if end < 0:
            raise ImageError("truncated", "the file ends before ENDHDR") if whole else _too_long()
        line = head[position:end].decode("latin-1").strip()
        position = end + 1
        if line == "ENDHDR":
            break
        if not line or line.startswith("#"):
            continue
        key, _, value = line.partition(" ")
        if key not in (*_PAM_NUMBERS, "TUPLTYPE") or key in values:
            raise ImageError("bad_header", f"unexpected line {line[:40]!r} in the PAM header")
        values[key] = value.strip()
    width, height, depth, maxval = (_number(values, key) for key in _PAM_NUMBERS)
    tuples = values.get("TUPLTYPE") or next(
        (name for name, (channels, _) in _TUPLES.items() if channels == depth), f"of depth {depth}"
    )
    channels, bitmap = _TUPLES.get(tuples, (0, False))
    if not channels or channels != depth or (bitmap and maxval != 1):
        raise ImageError(
            "bad_header",
            f"PAM tuples {tuples[:40]!r} with depth {depth} and maxval {maxval} are not a kind of image "
            f"known here; expected one of: {', '.join(_TUPLES)}",
        )
    return NetpbmHeader(7, width, height, depth, maxval, position)


_DEPTH = re.compile(rb"\nDEPTH[ \t]+0*[34]\s")


def guesses_colours(data: bytes) -> bool:
    """Whether this is a PAM of 3 or 4 channels that names none (no TUPLTYPE): it is read as RGB or RGBA.

    OpenCV writes such files with blue first.
    """
    if data[:2] != b"P7":
        return False
    head = data[:_LONGEST].partition(b"\nENDHDR")[0]
    return b"\nTUPLTYPE" not in head and _DEPTH.search(head + b"\n") is not None


def _number(values: dict[str, str], key: str) -> int:
    text = values.get(key, "")
    if not _NUMBER.fullmatch(text.encode()):
        raise ImageError("bad_header", f"the PAM header's {key} is not a number: {text[:20]!r}")
    return int(text)

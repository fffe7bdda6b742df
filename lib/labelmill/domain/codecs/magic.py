"""What a file is, from its first bytes: so that an error says what the file is and how to fix it."""

from __future__ import annotations

from typing import NamedTuple

_CONVERT = "convert it to PNG, or leave it out"
_UNPACK = "unpack it first"
_AGAIN = "copy or download it again"


class Kind(NamedTuple):
    """What a file is.

    Args:
        name: With its article: ``a JPEG image``.
        advice: How to fix it, as an imperative.
    """

    name: str
    advice: str


# (offset, bytes there, what it is, what to do); the first match wins.
_TABLE: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image", "name it .png"),
    (0, b"\x89PNG", "a PNG image with line ends converted, as by a text-mode transfer", _AGAIN),
    (1, b"PNG", "a PNG image with a damaged signature, as by a 7-bit or text transfer", _AGAIN),
    (0, b"\x8aMNG", "an MNG animation", _CONVERT),
    (0, b"\x8bJNG", "a JNG image", _CONVERT),
    (0, b"\xff\xd8\xff", "a JPEG image", _CONVERT),
    (0, b"GIF87a", "a GIF image", _CONVERT),
    (0, b"GIF89a", "a GIF image", _CONVERT),
    (8, b"WEBP", "a WebP image", _CONVERT),
    (0, b"II*\0", "a TIFF image", _CONVERT),
    (0, b"MM\0*", "a TIFF image", _CONVERT),
    (0, b"II+\0", "a BigTIFF image", _CONVERT),
    (0, b"MM\0+", "a BigTIFF image", _CONVERT),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 image", _CONVERT),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image", _CONVERT),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL image", _CONVERT),
    (0, b"\xff\x0a", "a JPEG XL image", _CONVERT),
    (4, b"ftypavif", "an AVIF image", _CONVERT),
    (4, b"ftyphei", "a HEIC image", _CONVERT),
    (4, b"ftypmif1", "a HEIF image", _CONVERT),
    (4, b"ftyp", "an MP4 or QuickTime video", "take single pictures out of it as PNG"),
    (0, b"8BPS", "a Photoshop document", _CONVERT),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR image", _CONVERT),
    (0, b"SIMPLE  =", "a FITS image", _CONVERT),
    (128, b"DICM", "a DICOM image", _CONVERT),
    (0, b"\0\0\1\0", "a Windows icon", _CONVERT),
    (0, b"PF\n", "a float netpbm image (PFM)", _CONVERT),
    (0, b"Pf\n", "a float netpbm image (PFM)", _CONVERT),
    (0, b"%PDF-", "a PDF document", "take its pictures out as PNG"),
    (0, b"%!PS", "a PostScript document", _CONVERT),
    (0, b"\x1f\x8b", "a gzip file", _UNPACK),
    (0, b"BZh", "a bzip2 file", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (0, b"PK\3\4", "a zip archive", "ingest it as a source of its own, named .zip"),
    (0, b"PK\5\6", "an empty zip archive", "leave it out"),
    (257, b"ustar", "a tar archive", "ingest it as a source of its own, named .tar"),
    (0, b"\0\0\x08\x03", "an IDX file", "ingest it as a source of its own, with its labels file"),
    (0, b"\x93NUMPY", "a NumPy array file", _CONVERT),
    (0, b"\x89HDF\r\n", "an HDF5 file", "take its pictures out as PNG"),
    (0, b"PAR1", "a Parquet file", "ingest it as a manifest, if it is one"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run `git lfs pull`"),
)
_WEB_PAGE = "if it was downloaded, the server sent a page instead of the image: download it again"
# Longer than any offset above.
_LOOKED_AT = 512
_BITMAP_HEADERS = frozenset((12, 16, 40, 52, 56, 64, 108, 124))


def kind_of(data: bytes) -> Kind:
    """What the file with these bytes is, as far as its beginning tells.

    Args:
        data: The whole file; only its beginning is read, unless that is all zeros.
    """
    if not data:
        return Kind("an empty file", _AGAIN)
    head = data[:_LOOKED_AT]
    for offset, magic, name, advice in _TABLE:
        if head.startswith(magic, offset):
            return Kind(name, advice)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS:
        return Kind("a BMP image", _CONVERT)
    if netpbm_begins(head):
        return Kind(f"a netpbm image (P{chr(head[1])})", "name it .pnm")
    if not head.strip(b"\0") and data.count(0) == len(data):
        return Kind(f"{len(data):,} zero bytes", f"the copy or the disk failed: {_AGAIN}")
    return _text(head) or Kind("a file of unknown kind", _CONVERT)


def netpbm_begins(data: bytes) -> bool:
    """Whether the data begins as P1 to P7: magic, then white space or a comment."""
    return data[:1] == b"P" and data[1:2] in _KINDS_OF_NETPBM and data[2:3] in _AFTER_MAGIC


_KINDS_OF_NETPBM = frozenset(b"%d" % digit for digit in range(1, 8))
_AFTER_MAGIC = frozenset((b"", b" ", b"\t", b"\n", b"\v", b"\f", b"\r", b"#"))


def _text(head: bytes) -> Kind | None:
    # A character cut at the end of the head does not make the rest binary.
    body = head.removeprefix(b"\xef\xbb\xbf")
    text = body.decode("utf-8", errors="ignore")
    if len(text.encode()) < len(body) - 3 or not all(c.isprintable() or c.isspace() for c in text):
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body")):
        return Kind("an HTML page", _WEB_PAGE)
    if start.startswith("<svg") or ("<svg" in start and start.startswith("<?xml")):
        return Kind("an SVG drawing", "draw it as PNG, or leave it out")
    if start.startswith("<?xml"):
        return Kind("an XML document", _WEB_PAGE)
    if start.startswith(("{", "[")):
        return Kind("a JSON document", _WEB_PAGE)
    return Kind(f"text that begins {text.strip()[:24]!r}", "leave it out")

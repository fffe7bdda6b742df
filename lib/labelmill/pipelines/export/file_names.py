"""Names of exported files: data in, paths out that stay below their folder on any file system.

A name is percent-encoded where it cannot stand as it is, so ``urllib.parse.unquote`` gives it back
(decision 0067). Encoded are the UTF-8 bytes of

- ``/ \\ : * ? " < > |``, which separate or are refused somewhere, ``%``, and ``~``, which is ours;
- control, format and separator characters;
- a dot or space at an end (``..``, hidden files), the first letter of a device's name (``CON``);
- a folder's last dot where it could pass for a file of ours (``manifest.csv``, ``a.png``);
- the first letter of a class that ingest would read as a split (``train``), where no split stands
  before it.

Where two names of one export differ only for file systems that tell capitals apart, those of class
folders are encoded but for ``a-z 0-9 _ -``, and those of files get ``~`` and the start of the image id.
A name above `NAME_BYTES` is cut and ends in ``~`` and a hash: it alone cannot be turned back.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.domain.images.paths import split_of_path

Format = Literal["png", "netpbm", "npy"]
Layout = Literal["class", "uri", "id"]

FORMATS: tuple[Format, ...] = ("png", "netpbm", "npy")
LAYOUTS: tuple[Layout, ...] = ("class", "uri", "id")

MANIFEST = "manifest.csv"


NAME_BYTES = 180
"""Longest encoded name. File systems take 143 (encrypted) to 255 bytes; ending and hash come on top."""

PATH_BYTES = 1000
"""Longest path below the export; systems take 4,096 bytes in all."""

_HASH_DIGITS = 32
_ENDINGS = {1: ".pgm", 2: ".pam", 3: ".ppm", 4: ".pam"}
_KNOWN_ENDINGS = (*IMAGE_ENDINGS, ".npy")
_OF_OURS = re.compile(r"\.(?=(?:png|p[bgpna]m|npy|csv)\Z)", re.IGNORECASE)
_REFUSED = frozenset('/\\:*?"<>|%~')
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Without case, with or without an ending: Windows opens these devices wherever they are named.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?=\.|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What a name is made of.

    Attributes:
        image_id: 64 hex digits.
        channels: 1 to 4.
        label: Class, or None.
        split: Split, or None.
        uri: Where the image came from; anything.
    """

    image_id: str
    channels: int
    label: str | None = None
    split: str | None = None
    uri: str = ""


def ending_of(format: Format, channels: int) -> str:
    """The ending of a file's name, with its dot."""
    return _ENDINGS[channels] if format == "netpbm" else f".{format}"


def path_of(layout: Layout, format: Format, row: Named, clash: bool = False) -> str:
    """Path of an image below the export's folder, POSIX.

    Args:
        layout: ``class``: ``SPLIT/CLASS/IMAGE_ID.png``; ``uri``: the image's own; ``id``: by id.
        format: Says the ending.
        row: What the name is made of.
        clash: Its `clash_key` stands for several things.

    Returns:
        At most `PATH_BYTES` long; no part is empty, ``.`` or ``..``, or begins with a dot.
    """
    ending = ending_of(format, row.channels)
    if layout == "id":
        return f"{row.image_id[:2]}/{row.image_id}{ending}"
    if layout == "class":
        return f"{_class_folder(row, clash)}{row.image_id}{ending}"
    *folders, name = [part for part in row.uri.split("/") if part not in ("", ".")] or ["_"]
    if name.lower().endswith(_KNOWN_ENDINGS) and len(name) > 4:
        name = name[:-4]
    # Cut before the mark, or the mark would be cut with it.
    name = escaped(name) + (f"~{row.image_id[:_HASH_DIGITS]}" if clash else "")
    below = "/".join(escaped(folder, is_folder=True) for folder in folders)
    path = f"{below}/{name}{ending}" if below else f"{name}{ending}"
    return path if len(path.encode()) <= PATH_BYTES else f"~{_hash(below)}/{name}{ending}"


def clash_key(layout: Layout, format: Format, row: Named) -> tuple[str, str]:
    """A key, and what stands behind it: a key with two different things behind it is a clash.

    The key is the name as the least exact file system sees it: without case, composed.
    """
    if layout == "id":
        return "", ""
    if layout == "class":
        # Without the split: a class has one name in all of them.
        return _folded(escaped(row.label, is_folder=True)) if row.label else "", row.label or ""
    path = path_of(layout, format, row)
    return _folded(path), f"{row.image_id} {path}"


def escaped(name: str, is_folder: bool = False, strict: bool = False) -> str:
    """One part of a path, encoded as the module says.

    Args:
        name: Any text but the empty one.
        is_folder: It names a folder.
        strict: Encode all but ``a-z 0-9 _ -``.

    Returns:
        At most `NAME_BYTES` long; ASCII where `strict`. Different names stay different.
    """
    if strict:
        text = "".join(c if c in _PLAIN else _percent(c) for c in name)
    else:
        text = "".join(_percent(c) if _is_refused(c) else c for c in name)
        if text[-1] in ". ":
            text = text[:-1] + _percent(text[-1])
        if text[0] in ". " or _DEVICE.match(text):
            text = _percent(text[0]) + text[1:]
        if is_folder:
            text = _OF_OURS.sub("%2E", text)
    return text if len(text.encode()) <= NAME_BYTES else _cut(text, name)


def _class_folder(row: Named, clash: bool) -> str:
    split = escaped(row.split, is_folder=True) + "/" if row.split else ""
    if not row.label:
        return split
    folder = escaped(row.label, is_folder=True, strict=clash)
    if not split and split_of_path(f"{folder}/"):
        folder = _percent(folder[0]) + folder[1:]
    return f"{split}{folder}/"


def _is_refused(letter: str) -> bool:
    return letter in _REFUSED or unicodedata.category(letter) in _UNSEEN


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def _cut(text: str, name: str) -> str:
    room = text.encode()[: NAME_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    # Not in the middle of a %XX.
    return re.sub(r"%[0-9A-F]?\Z", "", room) + f"~{_hash(name)}"


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())

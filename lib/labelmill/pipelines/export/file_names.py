"""Names of exported files: data in, paths out that stay below their folder on any file system.

Characters that a file name cannot have are percent-encoded; ``urllib.parse.unquote`` restores the name
(decision 0067). Encoded are the UTF-8 bytes of

- ``/ \\ : * ? " < > |``, which are separators or refused on some systems, ``%``, and ``~``, which marks our suffixes;
- control, format and separator characters;
- a dot or space at either end (``..``, hidden files), the first letter of a device's name (``CON``);
- the last dot of a folder that is named like an exported file (``manifest.csv``, ``a.png``);
- the first letter of a class that ingest would read as a split (``train``), where no split precedes it.

Where two names of one export would be the same on a case-insensitive file system, class folders are
encoded except for ``a-z 0-9 _ -``, and files get ``~`` and the start of the image id. A name above
`NAME_BYTES` is cut and ends in ``~`` and a hash: only such a name cannot be restored.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, get_args

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.domain.images.folders import split_named

Format = Literal["png", "netpbm", "npy"]
Layout = Literal["class", "uri", "id"]

FORMATS: tuple[Format, ...] = get_args(Format)
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

MANIFEST = "manifest.csv"


NAME_BYTES = 180
"""Longest encoded name. File systems allow 143 (encrypted) to 255 bytes; ending and hash are added to it."""

PATH_BYTES = 1000
"""Longest path below the export; systems allow 4,096 bytes in all."""

_HASH_DIGITS = 32
_ENDINGS = {1: ".pgm", 2: ".pam", 3: ".ppm", 4: ".pam"}
_KNOWN_ENDINGS = (*IMAGE_ENDINGS, ".npy")
_LIKE_EXPORTED = re.compile(r"\.(?=(?:png|p[bgpna]m|npy|csv)\Z)", re.IGNORECASE)
_REFUSED = frozenset('/\\:*?"<>|%~')
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# In any case, with or without an ending: Windows opens these devices in every folder.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?=\.|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class NameParts:
    """What a name is made of.

    Attributes:
        image_id: 64 hex digits.
        channels: 1 to 4.
        label: Class, or None.
        split: Split, or None.
        uri: Where the image came from; any text.
    """

    image_id: str
    channels: int
    label: str | None = None
    split: str | None = None
    uri: str = ""


def ending_of(format: Format, channels: int) -> str:
    """The ending of a file's name, with its dot."""
    return _ENDINGS[channels] if format == "netpbm" else f".{format}"


def path_of(layout: Layout, format: Format, row: NameParts, clash: bool = False) -> str:
    """Path of an image below the export's folder, POSIX.

    Args:
        layout: ``class``: ``SPLIT/CLASS/IMAGE_ID.png``; ``uri``: the image's own path; ``id``: by id.
        format: Decides the ending.
        row: What the name is made of.
        clash: Whether its `clash_key` has several values.

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
    # Escaped, and so cut, before the suffix is added.
    name = escape(name) + (f"~{row.image_id[:_HASH_DIGITS]}" if clash else "")
    below = "/".join(escape(folder, is_folder=True) for folder in folders)
    path = f"{below}/{name}{ending}" if below else f"{name}{ending}"
    return path if len(path.encode()) <= PATH_BYTES else f"~{_hash(below)}/{name}{ending}"


def clash_key(layout: Layout, format: Format, row: NameParts) -> tuple[str, str]:
    """A key and a value: a key with two different values is a clash of names.

    The key is the name as the least exact file system sees it: case-folded and composed (NFC).
    """
    if layout == "id":
        return "", ""
    if layout == "class":
        # Without the split: a class has the same name in all splits.
        return _fold_case(escape(row.label, is_folder=True)) if row.label else "", row.label or ""
    path = path_of(layout, format, row)
    return _fold_case(path), f"{row.image_id} {path}"


def escape(name: str, is_folder: bool = False, strict: bool = False) -> str:
    """One part of a path, encoded as the module says.

    Args:
        name: Any text, not empty.
        is_folder: It names a folder.
        strict: Encode everything except ``a-z 0-9 _ -``.

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
            text = _LIKE_EXPORTED.sub("%2E", text)
    return text if len(text.encode()) <= NAME_BYTES else _cut(text, name)


def _class_folder(row: NameParts, clash: bool) -> str:
    split = escape(row.split, is_folder=True) + "/" if row.split else ""
    if not row.label:
        return split
    folder = escape(row.label, is_folder=True, strict=clash)
    if not split and split_named(folder):
        folder = _percent(folder[0]) + folder[1:]
    return f"{split}{folder}/"


def _is_refused(letter: str) -> bool:
    return letter in _REFUSED or unicodedata.category(letter) in _INVISIBLE


def _percent(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass"))


def _cut(text: str, name: str) -> str:
    room = text.encode()[: NAME_BYTES - _HASH_DIGITS - 1].decode(errors="ignore")
    # Not in the middle of a percent escape.
    return re.sub(r"%[0-9A-F]?\Z", "", room) + f"~{_hash(name)}"


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]


def _fold_case(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())

"""Which files are not images, and why they are left out."""

from __future__ import annotations

import os
from collections import Counter

from labelmill.domain.codecs import IMAGE_ENDINGS

NOT_LISTED = "folder that cannot be listed"
"""How the reason of a folder begins whose files could not be listed."""


SYSTEM_FOLDERS = frozenset(
    ("$recycle.bin", "@eadir", "__macosx", "system volume information", "lost+found", "@recycle")
)
"""Folders that operating systems and disk stations put beside people's files, in lower case."""

SYSTEM = "folder of the operating system"

_MOST_REASONS, _LONG_REASON = 100, 80


def why_left_out(uri: str, endings: tuple[str, ...] = IMAGE_ENDINGS) -> str:
    """Why a file of this name is not ingested; empty when it is."""
    if any(part.startswith(".") and part not in (".", "..") for part in uri.split("/")):
        return "hidden"
    if any(part.lower() in SYSTEM_FOLDERS for part in uri.split("/")[:-1]):
        return SYSTEM
    name = uri.rsplit("/", 1)[-1].lower()
    if not name.endswith(endings):
        return f"not named like an image: {os.path.splitext(name)[1] or 'no ending'}"
    return ""


def leave_out(skipped: Counter[str], reason: str) -> None:
    """Counts a file that is left out; beyond a hundred different reasons, names count together."""
    if reason not in skipped and (len(reason) > _LONG_REASON or len(skipped) > _MOST_REASONS):
        reason = "not named like an image"
    skipped[reason] += 1

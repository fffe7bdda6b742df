"""What the names of IDX files mean: which are images, which labels belong to them, and the split."""

from __future__ import annotations

import os
import re

from labelmill.domain.images.folders import split_named

_NAME = re.compile(r"(|.*[-_.])idx([1-4])([-_.]?[a-z0-9]+)?(\.gz)?", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"(?<![^-_.])(images?|labels?)(?![^-_.])", re.IGNORECASE)
_BETWEEN = re.compile(r"[-_.]+")
_TEST = "t10k"


def is_idx(path: str) -> bool:
    """Whether a file is named like an IDX file, of images or of labels."""
    return _NAME.fullmatch(os.path.basename(path)) is not None


def find_idx(folder: str) -> list[str]:
    """Paths of the IDX files of images directly in a folder; the plain one where both it and a ``.gz`` exist."""
    return images_of(folder)[0]


def images_of(folder: str) -> tuple[list[str], int]:
    """What `find_idx` finds, and the number of ``.gz`` copies that are left out."""
    found: dict[tuple[str, str], str] = {}
    copies = 0
    for name in sorted(os.listdir(folder), key=lambda name: (name.lower().endswith(".gz"), name)):
        match = _NAME.fullmatch(name)
        if match and match[2] in "34" and not name.startswith("."):
            copies += (_stem(match), match[2]) in found
            found.setdefault((_stem(match), match[2]), os.path.join(folder, name))
    return sorted(found.values()), copies


def _stem(match: re.Match[str]) -> str:
    """The part of the name that a file of images and its labels have in common."""
    return "-".join(part for part in _BETWEEN.split(_WORD.sub("", match[1])) if part)


def labels_of(images: str) -> str | None:
    """Path of the labels of a file of images; None when the folder has none."""
    folder, name = os.path.split(images)
    match = _NAME.fullmatch(name)
    stem = _stem(match) if match else ""
    found = []
    for other in os.listdir(folder or "."):
        labels = _NAME.fullmatch(other)
        # A row of numbers an item: QMNIST. Only its name tells it from images of one dimension.
        is_labels = labels and (labels[2] == "1" or (labels[2] == "2" and "label" in other.lower()))
        if labels and is_labels and _stem(labels) in (stem, ""):
            packed = other.lower().endswith(".gz") != name.lower().endswith(".gz")
            found.append((_stem(labels) != stem, packed, other))
    return os.path.join(folder, min(found)[2]) if found else None


def split_of(name: str) -> str | None:
    """The split that a word of a file's name means; ``t10k`` is MNIST's word for ``test``."""
    for word in _BETWEEN.split(name.lower()):
        if word == _TEST:
            return "test"
        if split := split_named(word):
            return split
    return None

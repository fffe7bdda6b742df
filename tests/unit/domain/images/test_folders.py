"""What folders mean, alone and among the others of their source."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.images.folders import FolderLayout, layout_of
from labelmill.domain.splits.hashing import SPLITS_SHOWN

CASES = [
    # path, class, split
    ("5/1.png", "5", None),
    ("train/5/1.png", "5", "train"),
    ("test/5/1.png", "5", "test"),
    ("val/cat/1.png", "cat", "validation"),
    ("valid/cat/1.png", "cat", "validation"),
    ("eval/cat/1.png", "cat", "validation"),
    ("Training/cat/1.png", "cat", "train"),
    ("testing/cat/1.png", "cat", "test"),
    ("train/1.png", None, "train"),
    ("train2017/cat/1.png", "cat", "train"),
    ("val_2017/cat/1.png", "cat", "validation"),
    ("test1/cat/1.png", "cat", None),
    ("fruit/Training/Kiwi 1/1.png", "Kiwi 1", "train"),
    ("1.png", None, None),
    ("./1.png", None, None),
    ("./train//5/1.png", "5", "train"),
    ("animals/cat/1.png", "cat", None),
    ("train/test/1.png", "test", "train"),
    ("cat/train/1.png", "cat", "train"),
    ("cat/Val/1.png", "cat", "validation"),
    ("images_and_labels/images/train/0.png", None, "train"),
    ("../1.png", None, None),
    ("../x/1.png", "x", None),
    ("/etc/passwd", "etc", None),
    ("a/../1.png", None, None),
    ("a b/ü/1.png", "ü", None),
    ("a\\b/1.png", "a\\b", None),
    ("new\nline/1.png", "new\nline", None),
    ("", None, None),
    ("/", None, None),
]


@pytest.mark.parametrize(("path", "name", "split"), CASES)
def test_path_says(path: str, name: str | None, split: str | None) -> None:
    assert FolderLayout().read(path) == (name, split)


def test_names_that_are_not_utf8_stay_apart_and_can_be_stored() -> None:
    first, second = (
        FolderLayout().read(os.fsdecode(raw + b"/1.png"))[0] for raw in (b"\xff", b"\xfe")
    )
    assert first != second
    for name in (first, second):
        assert name is not None
        name.encode("utf-8")


@given(st.text())
def test_any_text(path: str) -> None:
    for layout in (FolderLayout(), layout_of([path]), layout_of([path, "a/b/1.png"])):
        name, split = layout.read(path)
        assert name is None or (name and "/" not in name and name != "..")
        assert split in (None, *SPLITS_SHOWN)


HEAPS = {
    "a folder around everything": {
        "fruit/Training/Apple Golden 1/1.png": ("Apple Golden 1", "train"),
        "fruit/Test/Apple Golden 1/1.png": ("Apple Golden 1", "test"),
        "fruit/Test/Kiwi/1.png": ("Kiwi", "test"),
    },
    "two folders around everything": {
        "data/digits/training/0/0.png": ("0", "train"),
        "data/digits/testing/1/0.png": ("1", "test"),
    },
    "and a stray picture at the top": {
        "fruit/Training/Kiwi/1.png": ("Kiwi", "train"),
        "fruit/Test/Kiwi/1.png": ("Kiwi", "test"),
        "logo.png": (None, None),
        "fruit/sample.png": ("fruit", None),
    },
    "and another folder beside": {
        "extra/1.png": ("extra", None),
        "fruit/Training/Kiwi/1.png": ("Kiwi", "train"),
        "fruit/Test/Kiwi/1.png": ("Kiwi", "test"),
    },
    "years": {
        "train2017/a/1.png": ("a", "train"),
        "val2017/a/1.png": ("a", "validation"),
    },
    "splits below classes": {
        "cat/test/1.png": ("cat", "test"),
        "cat/train/1.png": ("cat", "train"),
        "dog/train/1.png": ("dog", "train"),
    },
    "a wrapper, and splits without classes": {
        "images/test/1.png": (None, "test"),
        "images/train/1.png": (None, "train"),
    },
    "a class called train": {
        "bus/1.png": ("bus", None),
        "plane/1.png": ("plane", None),
        "train/1.png": ("train", None),
    },
    "a class called train in a wrapper": {
        "vehicles/bus/1.png": ("bus", None),
        "vehicles/train/1.png": ("train", None),
    },
    "a split with classes, beside other folders": {
        "more/1.png": ("more", None),
        "train/cat/1.png": ("cat", "train"),
    },
    "splits only": {
        "test/1.png": (None, "test"),
        "train/1.png": (None, "train"),
    },
    "one class only": {"cat/1.png": ("cat", None), "cat/2.png": ("cat", None)},
    "one class in one split": {"train/cat/1.png": ("cat", "train")},
}


@pytest.mark.parametrize("heap", HEAPS.values(), ids=list(HEAPS))
@pytest.mark.parametrize("order", [1, -1], ids=["sorted", "reversed"])
def test_folders_of_a_heap(heap: dict[str, tuple[str | None, str | None]], order: int) -> None:
    layout = layout_of(list(heap)[::order])
    assert {path: layout.read(path) for path in heap} == heap


@given(st.permutations([path for heap in HEAPS.values() for path in heap]))
def test_the_order_of_paths_does_not_matter(paths: list[str]) -> None:
    assert layout_of(paths) == layout_of(sorted(paths))

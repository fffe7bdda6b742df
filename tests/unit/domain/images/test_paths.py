from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.images.paths import class_of, path_of, split_of_path, uri_of
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
    assert class_of(path) == name
    assert split_of_path(path) == split


def test_names_that_are_not_utf8_stay_apart_and_can_be_stored() -> None:
    first, second = (class_of(os.fsdecode(raw + b"/1.png")) for raw in (b"\xff", b"\xfe"))
    assert first != second
    for name in (first, second):
        assert name is not None
        name.encode("utf-8")


@given(st.text())
def test_any_text(path: str) -> None:
    name = class_of(path)
    assert name is None or (name and "/" not in name and name != "..")
    assert split_of_path(path) in (None, *SPLITS_SHOWN)


@given(
    st.binary(max_size=12)
    | st.lists(st.sampled_from([b"\\", b"\xff", b"udcff", b"x"])).map(b"".join)
)
def test_every_name_of_a_file_has_a_text_of_its_own(name: bytes) -> None:
    uri = uri_of(name.decode("utf-8", "surrogateescape"))
    uri.encode()
    assert path_of(uri) == name
    if b"\\" not in name and uri.isascii() and name.isascii():
        assert uri.encode() == name

"""Paths of exported files stay below their folder, whatever the names are, and can be read back."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelmill.domain.images.folders import layout_of
from labelmill.pipelines.export.file_names import (
    FORMATS,
    LAYOUTS,
    MANIFEST,
    NAME_BYTES,
    PATH_BYTES,
    Format,
    Layout,
    NameParts,
    clash_key,
    escape,
    path_of,
)

ID, OTHER = "ab" + "0" * 62, "cd" + "1" * 62
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ROWS = st.builds(
    NameParts,
    st.sampled_from([ID, OTHER]),
    st.integers(1, 4),
    label=st.none() | TEXT,
    split=st.sampled_from([None, "train", "validation", "test"]),
    uri=TEXT,
)


@given(ROWS, st.sampled_from(LAYOUTS), st.sampled_from(FORMATS), st.booleans())
@example(NameParts(ID, 1, uri="../" * 1300 + "etc/passwd"), "uri", "png", False)
@example(NameParts(ID, 1, uri="/etc/passwd\0.png"), "uri", "png", True)
@example(NameParts(ID, 1, uri="é" * 4096), "uri", "npy", True)
@example(NameParts(ID, 1, label="..", uri="."), "class", "netpbm", False)
def test_whatever_the_names_are_the_path_is_plain_and_below(
    row: NameParts, layout: Layout, format: Format, clash: bool
) -> None:
    path = path_of(layout, format, row, clash)
    parts = path.split("/")
    assert os.path.normpath(path) == path
    assert not os.path.isabs(path)
    assert len(path.encode()) <= PATH_BYTES
    for part in parts:
        assert part
        assert part[0] not in ". "
        assert part[-1] not in ". "
        assert len(part.encode()) <= 255
        assert not set(part) & set('\\:*?"<>|')
        assert all(unicodedata.category(letter) not in ("Cc", "Cf") for letter in part)
    # A file is never where another file's folder must be, nor where the manifest is.
    assert path != MANIFEST
    assert not any(p.lower().endswith((".png", ".pgm", ".npy", ".csv")) for p in parts[:-1])


@given(TEXT.filter(bool), st.booleans(), st.booleans())
@example("%2F", False, False)
@example("con.PNG", True, False)
@example(" . ", True, False)
def test_a_name_is_read_back_by_percent_decoding(name: str, is_folder: bool, strict: bool) -> None:
    text = escape(name, is_folder, strict)
    if len(text.encode()) < NAME_BYTES - 3:
        assert unquote(text, errors="strict") == name


@given(TEXT.filter(bool), TEXT.filter(bool))
@example("é", unicodedata.normalize("NFD", "é"))
@example("Straße", "STRASSE")
@example("x" * 300, "x" * 299 + "y")
def test_clashing_classes_get_folders_that_every_file_system_distinguishes(a: str, b: str) -> None:
    first, second = NameParts(ID, 1, label=a), NameParts(ID, 1, label=b)
    clash = clash_key("class", "png", first)[0] == clash_key("class", "png", second)[0] and a != b
    paths = [path_of("class", "png", row, clash).casefold() for row in (first, second)]
    paths = [unicodedata.normalize("NFC", path) for path in paths]
    assert (paths[0] == paths[1]) == (a == b)


def test_ordinary_names_stay_as_they_are() -> None:
    row = NameParts(ID, 3, "great dane", "train", "train/great dane/17.JPEG.png")
    assert path_of("class", "png", row) == f"train/great dane/{ID}.png"
    assert path_of("uri", "png", row) == "train/great dane/17.JPEG.png"
    assert path_of("uri", "npy", row) == "train/great dane/17.JPEG.npy"
    assert path_of("id", "netpbm", row) == f"ab/{ID}.ppm"
    assert path_of("class", "png", NameParts(ID, 1, "v1.2")) == f"v1.2/{ID}.png"
    assert path_of("uri", "png", NameParts(ID, 1, uri="t10k-images-idx3-ubyte#12")) == (
        "t10k-images-idx3-ubyte#12.png"
    )


@pytest.mark.parametrize(
    ("channels", "ending"), [(1, ".pgm"), (2, ".pam"), (3, ".ppm"), (4, ".pam")]
)
def test_netpbm_endings_say_the_channels(channels: int, ending: str) -> None:
    assert path_of("id", "netpbm", NameParts(ID, channels)).endswith(ending)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd.png"),
        ("/a//./b.png", "a/b.png"),
        ("C:\\x\\y.png", "C%3A%5Cx%5Cy.png"),
        ("s3://heap/1.png", "s3%3A/heap/1.png"),
        (".hidden/.x.png", "%2Ehidden/%2Ex.png"),
        ("manifest.csv/aux.png", "manifest%2Ecsv/%61ux.png"),
        ("a.png/b.png", "a%2Epng/b.png"),
        ("a~1.png", "a%7E1.png"),
        ("", "_.png"),
        (".png", "%2Epng.png"),
    ],
)
def test_uris_that_could_do_harm(uri: str, path: str) -> None:
    assert path_of("uri", "png", NameParts(ID, 1, uri=uri)) == path


def test_two_images_of_one_uri_get_their_ids_in_their_names() -> None:
    rows = [
        NameParts(ID, 1, uri="a/1.png"),
        NameParts(OTHER, 1, uri="a/1.png"),
        NameParts(ID, 1, uri="A/1.png"),
    ]
    keys = {clash_key("uri", "png", row) for row in rows}
    assert len({key for key, _ in keys}) == 1
    assert len(keys) == 3
    paths = [path_of("uri", "png", row, clash=True) for row in rows]
    assert paths[0] == f"a/1~{ID[:32]}.png"
    assert len({path.lower() for path in paths}) == 2, "the same image may share a file"


@given(st.sampled_from(["train", "Test", "val", "eval"]), st.sampled_from([None, "test"]))
def test_a_class_named_like_a_split_is_still_a_class(label: str, split: str | None) -> None:
    path = path_of("class", "png", NameParts(ID, 1, label, split))
    assert unquote(layout_of([path]).read(path)[0] or "") == label
    assert layout_of([path]).read(path)[1] == split


def test_a_real_file_system_takes_the_longest_names(tmp_path: Path) -> None:
    for row in (
        NameParts(ID, 1, label="ж" * 500, uri="x/" * 2000 + "y" * 400),
        NameParts(ID, 1, "\u0001"),
    ):
        for layout in LAYOUTS:
            place = tmp_path / path_of(layout, "png", row, clash=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")

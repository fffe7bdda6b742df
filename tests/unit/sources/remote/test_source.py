"""Trees behind URIs, as the driver walks them; no Spark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelmill.errors import InputError
from labelmill.sources.file_reader import open_reader
from labelmill.sources.remote.arrow import ArrowFiles
from labelmill.sources.remote.source import walk

TREE: dict[str, dict[str, int | None]] = {
    "": {"b.png": 2, "a": None, "a.png": 1, ".git": None, "notes.txt": 9, "a-b.png": 3},
    "a/": {"2.PNG": 5, "10.png": 6, "._2.png": 1},
}


def _listed(below: str) -> Iterator[tuple[str, int | None]]:
    yield from TREE[below].items()


def test_images_come_in_the_order_of_whole_paths() -> None:
    skipped: Counter[str] = Counter()
    found = list(walk(_listed, skipped))
    assert found == [("a-b.png", 3), ("a.png", 1), ("a/10.png", 6), ("a/2.PNG", 5), ("b.png", 2)]
    assert found == sorted(found)
    assert skipped == {"hidden": 2, "not named like an image: .txt": 1}


def test_folders_are_listed_when_they_are_reached() -> None:
    asked = []

    def list_folder(below: str) -> Iterator[tuple[str, int | None]]:
        asked.append(below)
        yield from TREE[below].items()

    found = walk(list_folder, Counter())
    assert [next(found)[0], next(found)[0]] == ["a-b.png", "a.png"]
    assert asked == [""]


def test_a_pyarrow_uri_with_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "a b%20#"
    names = ["%41.png", "x y.png", "ü#.png"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(name.encode())
    files = ArrowFiles(folder.as_uri() + "/")
    assert [path for path, _ in walk(files.list_folder, Counter())] == names
    assert [open_reader(files.root)(name) for name in names] == [name.encode() for name in names]


def test_invalid_pyarrow_uris(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nope does not exist; expected the URI of a folder"):
        ArrowFiles((tmp_path / "nope").as_uri())
    (tmp_path / "x.tar").touch()
    with pytest.raises(InputError, match=r"x.tar is a file; expected the URI of a folder"):
        ArrowFiles((tmp_path / "x.tar").as_uri())
    with pytest.raises(ValueError, match="nope"):
        ArrowFiles("nope://x/y")

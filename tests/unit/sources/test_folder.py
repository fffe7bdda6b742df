"""How a folder is listed, cut into waves and read; no Spark."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labelmill.errors import ImageError, InputError
from labelmill.sources import base, file_reader, folder
from labelmill.sources.base import SourceOptions
from labelmill.sources.file_reader import open_reader
from labelmill.sources.folder import FolderSource


def _write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def _uris(source: FolderSource) -> list[list[str]]:
    return [wave.files["uri"].to_pylist() for wave in source.waves()]  # type: ignore[union-attr]


def test_files_come_in_the_order_of_their_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["b/1.png", "b.png", "b/a/2.PNG", "a/x.pgm", "b-1/3.png", "z.png", "b/.x/1.png"]
    _write(tmp_path, *names, "a/notes.txt", ".hidden.png", "b/._1.png")
    (tmp_path / "b" / "link").symlink_to(tmp_path / "a")
    monkeypatch.setattr(base, "WAVE_FILES", 4)
    source = FolderSource(SourceOptions(str(tmp_path)))
    found = _uris(source)
    assert [len(wave) for wave in found] == [4, 2]
    assert [uri for wave in found for uri in wave] == sorted(names[:-1])
    assert source.total == 6
    assert source.skipped == {
        "hidden": 3,
        "folder behind a link": 1,
        "not named like an image: .txt": 1,
    }


def test_folders_of_operating_systems_are_left_out_and_counted(tmp_path: Path) -> None:
    _write(
        tmp_path, "cat/0.png", "$RECYCLE.BIN/S-1/i.png", "@eaDir/0.png/t.png", "cat/__MACOSX/0.png"
    )
    source = FolderSource(SourceOptions(str(tmp_path)))
    assert _uris(source) == [["cat/0.png"]]
    assert (source.total, source.skipped) == (1, {"folder of the operating system": 3})


def test_links_that_lead_nowhere_stop_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "a.png", "z.png", "frame.0000001", "frame.0000002")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / os.fsdecode(b"x.\xff")).write_bytes(b"")
    source = FolderSource(SourceOptions(str(tmp_path)))
    assert source.total == 3
    assert _uris(source) == [["a.png", "loop.png", "z.png"]]
    assert source.skipped["not named like an image: .\\udcff"] == 1
    with pytest.raises(ImageError, match="symbolic link"):
        open_reader(str(tmp_path))("loop.png")


def test_kinds_of_names_do_not_pile_up(tmp_path: Path) -> None:
    _write(tmp_path, *(f"frame.{number:04d}" for number in range(300)))
    source = FolderSource(SourceOptions(str(tmp_path)))
    assert _uris(source) == []
    assert len(source.skipped) < 110
    assert source.skipped.total() == 300


def test_a_limit_takes_the_first_in_order(tmp_path: Path) -> None:
    source = FolderSource(SourceOptions(str(_write(tmp_path, "c.png", "a/1.png", "b.png")), 2))
    assert _uris(source) == [["a/1.png", "b.png"]]
    assert source.total == 2


@pytest.mark.parametrize(("limit", "total"), [(None, 7), (9, 7), (7, 7), (6, 6), (3, 3), (2, 2)])
def test_more_files_than_a_wave_are_counted_before_they_are_listed(
    limit: int | None, total: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*sorted(f"{letter}/{number}.png" for letter in "abc" for number in (1, 2)), "z.png"]
    _write(tmp_path, *names, "notes.txt")
    monkeypatch.setattr(base, "WAVE_FILES", 3)
    monkeypatch.setattr(folder, "WAVE_FILES", 3)
    source = FolderSource(SourceOptions(str(tmp_path), limit))
    assert source.total == total
    found = _uris(source)
    assert [uri for wave in found for uri in wave] == names[:total]
    assert max(map(len, found)) <= 3


def test_folders_deeper_than_python_recurses(tmp_path: Path) -> None:
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_200):  # step by step: the path is longer than one call takes
        os.mkdir("d", dir_fd=deep)
        below = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(os.open("x.png", os.O_CREAT | os.O_WRONLY, dir_fd=deep))
    os.close(deep)
    source = FolderSource(SourceOptions(str(tmp_path)))
    try:
        assert _uris(source) == [["d/" * 1_200 + "x.png"]]
    finally:  # Python's own removal of folders recurses
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_names_that_are_not_utf8_are_listed_and_read(tmp_path: Path) -> None:
    for name in (b"\xff.png", b"\\udcff.png", b"\xff.txt"):
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    source = FolderSource(SourceOptions(str(tmp_path)))
    [uris] = _uris(source)
    assert uris == ["\\\\udcff.png", "\\udcff.png"]
    assert [open_reader(source.root)(uri) for uri in uris] == [b"\\udcff.png", b"\xff.png"]


def test_what_cannot_be_read_is_reported_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_reader, "FILE_CAP", 8)
    _write(tmp_path, "a-long-name.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to("nowhere")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    ours = open_reader(str(tmp_path))
    for name, problem in {
        "a-long-name.png": ImageError,
        "zero.png": ImageError,
        "dangling.png": ImageError,
        "pipe.png": OSError,
        "nowhere/x.png": OSError,
    }.items():
        with pytest.raises(problem):
            ours(name)
    with pytest.raises(InputError, match="not visible on worker"):
        open_reader(str(tmp_path / "nowhere"))


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    private, root = tmp_path / "private", tmp_path / "root"
    _write(private, "key.png", "inner/x.png")
    _write(root, "a/1.png", "a/b/2.png", "3.png")
    (root / "a" / "key.png").symlink_to(private / "key.png")
    (root / "a" / "near.png").symlink_to("1.png")
    (root / "linked").symlink_to(private)
    (tmp_path / "alias").symlink_to(root)
    for where in (str(root), str(tmp_path / "alias"), root.as_uri()):
        read = open_reader(where)
        for uri in ("a/key.png", "a/near.png", "linked/key.png", "linked/inner/x.png"):
            with pytest.raises(ImageError, match="links are not followed") as refused:
                read(uri)
            assert refused.value.reason == "linked"
        # In any order of folders, also after what was refused.
        for uri in ("3.png", "a/b/2.png", "a/1.png", "a/b/2.png", "3.png"):
            assert read(uri) == (root / uri).read_bytes()
        with pytest.raises(FileNotFoundError):
            read("a/none/4.png")


def test_what_a_wave_carries_fits_a_message_of_spark() -> None:
    default = 128 << 20  # spark.rpc.message.maxSize
    assert max(base.WAVE_BYTES, base.ARCHIVED_FILE_CAP) <= 0.8 * default

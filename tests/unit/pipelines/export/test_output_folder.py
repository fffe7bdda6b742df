"""An export's folder belongs to one export, is never left by a path, and holds whole files only."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from labelmill.errors import InputError
from labelmill.pipelines.export.output_folder import (
    MARKER,
    PARTS,
    Claim,
    OutputFolder,
    explain_write_error,
)

CLAIM = Claim("select 1", 17, "png", "id")


@pytest.fixture(params=["folder", "uri"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "new" / "out put"
    return str(path) if request.param == "folder" else path.as_uri()


def test_a_folder_is_marked_once_and_recognized_again(out: str) -> None:
    place = OutputFolder(out)
    assert place.claim() is None
    place.mark(CLAIM)
    assert OutputFolder(out).claim() == CLAIM
    OutputFolder(out).require(CLAIM)
    with pytest.raises(InputError, match="not empty"):
        place.mark(CLAIM)
    with pytest.raises(InputError, match="not visible on worker"):
        place.require(Claim("select 1", 18, "png", "id"))


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not visible on worker"):
        OutputFolder(str(tmp_path / "elsewhere")).require(CLAIM)


def test_files_are_written_below_and_compared(out: str, tmp_path: Path) -> None:
    place = OutputFolder(out)
    place.mark(CLAIM)
    assert place.holds("a/b/1.png", b"one") is None
    place.write("a/b/1.png", b"one")
    assert place.holds("a/b/1.png", b"one") is True
    assert place.holds("a/b/1.png", b"two") is False
    place.write("a/b/1.png", b"two")
    assert (tmp_path / "new/out put/a/b/1.png").read_bytes() == b"two"
    place.tidy()
    assert sorted(os.listdir(tmp_path / "new/out put")) == [MARKER, "a"]


def test_what_somebody_else_put_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.txt.*not an earlier export"):
        OutputFolder(str(tmp_path)).mark(CLAIM)
    with pytest.raises(InputError, match="cannot be written to"):
        OutputFolder(str(tmp_path / "mine.txt")).mark(CLAIM)
    with pytest.raises(InputError, match="cannot be written to"):
        OutputFolder("gopher://x/y")
    assert os.listdir(tmp_path) == ["mine.txt"]
    (tmp_path / "mine.txt").unlink()
    (tmp_path / MARKER).write_text('{"labelmill_export": 99}')
    with pytest.raises(InputError, match="cannot be read"):
        OutputFolder(str(tmp_path)).claim()


def test_a_run_killed_before_it_marked_the_folder_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / PARTS).mkdir()
    (tmp_path / PARTS / "half").write_bytes(b"ha")
    place = OutputFolder(str(tmp_path))
    place.mark(CLAIM)
    place.tidy()
    assert os.listdir(tmp_path) == [MARKER]


def test_a_link_among_the_folders_is_not_followed(tmp_path: Path) -> None:
    place = OutputFolder(str(tmp_path / "out"))
    place.mark(CLAIM)
    (tmp_path / "outside").mkdir()
    (tmp_path / "out/a").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="leads out of"):
        place.write("a/b/1.png", b"one")
    assert not list((tmp_path / "outside").iterdir())


def test_a_write_that_fails_leaves_no_file_and_the_one_before(tmp_path: Path) -> None:
    place = OutputFolder(str(tmp_path))
    place.mark(CLAIM)
    place.write("old.png", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as a full disk: from here on no room
    try:
        for name in ("old.png", "new.png"):
            with pytest.raises(OSError) as caught:
                place.write(name, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "too large" in explain_write_error(caught.value)
    assert (tmp_path / "old.png").read_bytes() == b"old"
    assert not (tmp_path / "new.png").exists()
    assert not list((tmp_path / PARTS).iterdir())


def test_a_full_disk_is_called_so() -> None:
    assert "disk is full" in explain_write_error(OSError(28, "No space left on device"))

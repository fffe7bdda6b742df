"""Which kind of source a text names; the kinds that need no Spark."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.sources import open_source
from labelmill.sources.archives.source import ArchiveSource
from labelmill.sources.base import ImageSource, SourceOptions
from labelmill.sources.folder import FolderSource
from labelmill.sources.idx import IdxSource
from labelmill.sources.manifest.source import ManifestSource

IDX = struct.pack(">HBB3I", 0, 8, 3, 1, 2, 2) + bytes(4)
SPARK: Any = None


def opened(source: Path, uri: str = "") -> ImageSource:
    return open_source(SPARK, Settings(), SourceOptions(str(source), None, uri))


def test_archives_by_their_ending(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "A.ZIP", "w"):
        pass
    assert isinstance(opened(tmp_path / "A.ZIP"), ArchiveSource)
    for name in ("a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"):
        with tarfile.open(tmp_path / name, "w"):
            pass
        assert isinstance(opened(tmp_path / name), ArchiveSource)


def test_manifests_by_their_ending_and_a_parquet_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("uri\na.png\n")
    (tmp_path / "m.tsv").write_text("id\tx\n7\ty\n")
    assert isinstance(opened(tmp_path / "m.csv"), ManifestSource)
    assert isinstance(opened(tmp_path / "m.tsv", "{id}.png"), ManifestSource)
    (tmp_path / "m.parquet").mkdir()
    pq.write_table(pa.table({"uri": ["a.png"]}), tmp_path / "m.parquet" / "part-0.parquet")
    assert isinstance(opened(tmp_path / "m.parquet"), ManifestSource)


def test_a_folder_of_idx_files_without_images_is_read_as_idx(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(IDX)
    assert isinstance(opened(path), IdxSource)
    assert isinstance(opened(tmp_path), IdxSource)
    (tmp_path / "a.png").touch()
    assert isinstance(opened(tmp_path), FolderSource)
    (tmp_path / "empty").mkdir()
    assert isinstance(opened(tmp_path / "empty"), FolderSource)


def test_other_texts_say_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "x.txt").touch()
    with pytest.raises(
        InputError, match=r"x\.txt is not a kind of source .*\.tar\.gz.*kafka:TOPIC"
    ):
        opened(tmp_path / "x.txt")
    with pytest.raises(InputError, match=r"none does not exist; expected a folder"):
        opened(tmp_path / "none")
    with pytest.raises(InputError, match=r"--uri is for manifests .*; .* is not one$"):
        opened(tmp_path, "{id}.png")

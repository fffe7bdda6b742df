"""How a heap is cut into waves; no Spark."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from labelmill.pipelines import decode_rows, sources
from labelmill.pipelines.sources import Source, reader


def _archive(path: Path, sizes: list[int]) -> str:
    with tarfile.open(path, "w") as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = size
            tar.addfile(member, BytesIO(b"x" * size))
    return str(path)


def test_what_a_wave_of_an_archive_carries_fits_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "WAVE_BYTES", 64)
    monkeypatch.setattr(sources, "ARCHIVED_FILE_CAP", 96)
    sizes = [10, 50, 10, 90, 60, 5, 97, 500, 64, 1]
    waves = list(Source(_archive(tmp_path / "x.tar", sizes)).waves())
    assert [w.sizes for w in waves] == [[10, 50], [10], [90], [60], [5, 97, 500], [64], [1]]
    carried = [sum(len(data or b"") for data in w.data or []) for w in waves]
    assert max(carried) <= 96
    assert waves[4].data == [b"x" * 5, None, None]


def test_the_caps_leave_room_in_a_message_of_spark() -> None:
    default = 128 << 20  # spark.rpc.message.maxSize
    assert max(sources.WAVE_BYTES, sources.ARCHIVED_FILE_CAP) <= 0.8 * default


def test_a_file_too_large_for_a_message_is_quarantined_with_advice() -> None:
    size = sources.ARCHIVED_FILE_CAP + 1
    batch = decode_rows.pa.RecordBatch.from_pylist(
        [{"position": 0, "uri": "a.png", "size": size, "data": None}], decode_rows.FILES
    )
    [row] = next(decode_rows.Decoder("", 64_000_000)(iter([batch]))).to_pylist()
    assert row["reason"] == "too_large"
    assert "unpack the archive" in row["message"]


def test_names_that_are_not_utf8_are_listed_and_read(tmp_path: Path) -> None:
    for name in (b"\xff.png", b"\\udcff.png", b"\xff.txt"):
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    heap = Source(str(tmp_path))
    [wave] = heap.waves()
    assert wave.uris == ["\\\\udcff.png", "\\udcff.png"]
    assert [reader(heap.root)(uri, -1) for uri in wave.uris] == [b"\\udcff.png", b"\xff.png"]
    assert heap.skipped == {"not named .png: .txt": 1}

"""A spool returns what was written, in any order, and leaves no file."""

from __future__ import annotations

import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labelmill.errors import InputError
from labelmill.training_sets.assembly.spool import Spool


def test_bytes_of_several_threads_lie_where_they_were_put(tmp_path: Path) -> None:
    pieces = [os.urandom(n * 37 % 5000) for n in range(200)]
    with Spool(str(tmp_path)) as spool:
        with ThreadPoolExecutor(8) as threads:
            starts = list(threads.map(lambda piece: spool.add(memoryview(piece)), pieces))
        room = spool.reserve(10)
        spool.put(room + 4, memoryview(b"later"))
        view = spool.view()
        for start, piece in zip(starts, pieces, strict=True):
            assert view[start : start + len(piece)] == piece
        assert bytes(view[room : room + 10]) == b"\0\0\0\0later\0"
        assert list(tmp_path.iterdir()) == [], "it has no name that somebody must remove"


def test_an_empty_spool_has_an_empty_view(tmp_path: Path) -> None:
    with Spool(str(tmp_path)) as spool:
        assert bytes(spool.view()) == b""


def test_a_full_disk_names_the_folder(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, before[1]))
    try:
        with (
            Spool(str(tmp_path)) as spool,
            pytest.raises(InputError, match=rf"spooled to the folder {tmp_path}.*TMPDIR"),
        ):
            spool.add(memoryview(bytes(10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with pytest.raises(InputError, match=r"spooled to the folder .*/nowhere"):
        Spool(str(tmp_path / "nowhere"))

"""A spool gives back what was put down, in whatever order, and leaves no file."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labelmill.pipelines.spool import Spool


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

"""Pixels of some images of a large collection: asked for by id, or read with all others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.settings import Settings
from labelmill.sql.snapshot import settled_snapshot
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGE_CHUNKS, IMAGES
from labelmill.training_sets.assembly import fetch_pixels
from labelmill.training_sets.assembly.fetch_pixels import fetch, fetch_chunks
from labelmill.training_sets.assembly.pixel_index import PixelIndex
from labelmill.training_sets.assembly.spool import Spool
from tests.helpers.catalogues import drawn, put_images

IDS = [f"{n:05d}" for n in range(400)]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_pixels, "BY_ID_ROWS", 20)


@pytest.fixture
def asked(client: RowClient, monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What Kudu was asked for pixels of; it answers as ever."""
    found: list[Mapping[str, object]] = []
    scan = client.scan

    def told(table: Any, columns: Any = None, where: Any = None, *more: Any, **named: Any) -> Any:
        if where and {"pixels", "data"} & set(columns):
            found.append(where)
        return scan(table, columns, where, *more, **named)

    monkeypatch.setattr(client, "scan", told)
    return found


@pytest.mark.parametrize(("every", "whole"), [(8, False), (3, True), (1, True)])
def test_few_of_many_are_asked_for_by_id(
    client: RowClient,
    settings: Settings,
    asked: list[Mapping[str, object]],
    tmp_path: Path,
    every: int,
    whole: bool,
) -> None:
    arrays = drawn(len(IDS))
    put_images(client, "c", dict(zip(IDS, arrays, strict=True)))
    with Spool(str(tmp_path)) as spool:
        keys = pa.table({"collection": ["c"] * len(IDS[::every]), "image_id": IDS[::every]})
        cells, places = PixelIndex(len(keys)), np.arange(len(keys))
        fetch(client, keys, places, ["pixels"], settled_snapshot(settings), cells, spool)
        view = spool.view()
        for place, array in enumerate(arrays[::every]):
            assert (
                bytes(view[int(cells.start[place]) :][: int(cells.size[place])]) == array.tobytes()
            )
    assert ["image_id" not in where for where in asked] == ([True] if whole else [False] * 3)
    if not whole:
        ids = [one for where in asked for one in list(where["image_id"])]  # type: ignore[call-overload]
        assert ids == IDS[::every]


def test_chunks_of_few_of_many_large_images(
    client: RowClient, settings: Settings, asked: list[Mapping[str, object]], tmp_path: Path
) -> None:
    client.ensure(IMAGE_CHUNKS)
    client.ensure(IMAGES)
    arrays = drawn(100, (1, 40_000, 1))
    put_images(client, "c", dict(zip(IDS, arrays, strict=False)), chunked=True)
    with Spool(str(tmp_path)) as spool:
        keys = pa.table({"collection": ["c"] * 24, "image_id": IDS[:96:4]})
        cells, places, at = PixelIndex(len(keys)), np.arange(len(keys)), settled_snapshot(settings)
        fetch(client, keys, places, ["height", "width", "channels", "dtype"], at, cells, spool)
        fetch_chunks(client, keys, places, at, cells, spool)
        view = spool.view()
        for place, array in enumerate(arrays[:96:4]):
            assert (
                bytes(view[int(cells.start[place]) :][: int(cells.size[place])]) == array.tobytes()
            )
    assert [len(list(where["image_id"])) for where in asked] == [20, 4]  # type: ignore[call-overload]

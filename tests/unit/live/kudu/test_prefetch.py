"""Windows of a plan, loaded ahead by threads: the right pixels, no more than needed, no thread left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.array_pool import ALIGNED
from labelmill.errors import MissingRow
from labelmill.feed.batches.options import Feeding
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu.plan import KuduPlan, Unit
from labelmill.live.kudu.prefetch import WindowLoader
from labelmill.live.kudu.reader import PixelReader
from labelmill.live.kudu.rows import KuduRows
from labelmill.live.kudu.window_order import Window
from labelmill.store.schema.tables import IMAGES
from tests.helpers.kudu_in_memory import ImagesInMemory
from tests.helpers.plans import ids_of, order_of
from tests.helpers.streams import until

COUNT, UNIT, EACH = 60, 10, 16
IMAGES_OF = {i: np.full((4, 4, 1), n, np.uint8) for n, i in enumerate(ids_of(COUNT))}
"""Images whose pixels are the number of their row."""


def plan_of(client: ImagesInMemory, by_id: bool = False) -> KuduPlan:
    ids = sorted(IMAGES_OF)

    def unit(start: int) -> Unit:
        own = ids[start : start + UNIT]
        tokens = client.scan(IMAGES, where={"collection": "c", "image_id": own}).tokens()
        return Unit("c", start, start + UNIT, UNIT * EACH, () if by_id else tuple(tokens))

    return KuduPlan(
        sql="select …", parameters={}, snapshot_ms=5, target="none", classes=(),
        shapes=(ShapeOf(4, 4, 1, "uint8"),),
        index=pa.table({"image_id": ids, "shape": pa.array(np.zeros(COUNT, np.int32))}),
        units=tuple(unit(start) for start in range(0, COUNT, UNIT)),
    )  # fmt: skip


def loader_of(
    plan: KuduPlan, client: Any, order: Iterator[tuple[int, Window]], batch: int = 8
) -> WindowLoader:
    reader = PixelReader(client, 5, 10.0, threading.Event())
    return WindowLoader(plan, order, reader, 2, batch)


def reading_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if "labelmill-kudu" in one.name]


def numbers(images: Any) -> list[int]:
    return [int(image[0, 0, 0]) for image in images]


@pytest.mark.parametrize("by_id", [False, True])
def test_windows_come_in_order_with_the_pixels_of_their_rows(by_id: bool) -> None:
    client = ImagesInMemory({"c": IMAGES_OF}, tablet=4)
    plan = plan_of(client, by_id)
    order = order_of(plan, size=2 * UNIT * EACH)
    loaded = list(loader_of(plan, client, order.from_(3, 0, 1)))
    assert [one.epoch for one in loaded] == [3, 3, 3]
    assert tuple(one.window for one in loaded) == order.windows(3)
    for one in loaded:
        assert numbers(one.pixels.images) == one.window.rows.tolist()
        assert one.pixels.masks is None
    until(lambda: not reading_threads())


def test_one_window_is_read_ahead_and_no_more() -> None:
    client = ImagesInMemory({"c": IMAGES_OF}, tablet=UNIT)
    plan = plan_of(client)
    loader = loader_of(plan, client, order_of(plan, size=1).from_(0, 0, None))
    until(lambda: len(client.scans) == 1)
    next(loader)
    until(lambda: len(client.scans) == 2)
    assert loader.left
    loader.close()
    until(lambda: not reading_threads())
    assert len(client.scans) == 2
    assert list(loader) == []


def test_the_first_batch_of_a_window_is_aligned() -> None:
    client = ImagesInMemory({"c": IMAGES_OF})
    plan = plan_of(client)
    batch = 7
    for one in loader_of(plan, client, order_of(plan, size=1).from_(0, 0, 1), batch):
        first = -one.window.begin % batch
        assert one.pixels.images[first:].ctypes.data % ALIGNED == 0


def test_a_failed_read_ends_the_loader_and_its_threads() -> None:
    lost = dict(sorted(IMAGES_OF.items())[:-1])
    plan = plan_of(ImagesInMemory({"c": IMAGES_OF}), by_id=True)
    loader = loader_of(plan, ImagesInMemory({"c": lost}), order_of(plan, size=1).from_(0, 0, 1))
    with pytest.raises(MissingRow, match="1 images of the plan are not in Kudu at snapshot 5"):
        list(loader)
    assert not loader.left
    until(lambda: not reading_threads())


@pytest.fixture
def rows() -> Iterator[tuple[KuduRows, ImagesInMemory]]:
    client = ImagesInMemory({"c": IMAGES_OF}, tablet=UNIT)
    found = KuduRows(plan_of(client), client, 10.0, 2, Feeding(8, repeat=2), 2 * UNIT * EACH)  # type: ignore[arg-type]
    yield found, client
    del found
    until(lambda: not reading_threads())


def test_rows_in_order_are_read_once_an_epoch(rows: tuple[KuduRows, ImagesInMemory]) -> None:
    taken, client = rows
    for epoch in range(2):
        for start in range(0, COUNT, 8):
            wanted, _ = taken.order.at(epoch, start, min(start + 8, COUNT))
            images, target = taken.take(wanted)
            assert numbers(images) == wanted.tolist()
            assert target is None
    assert len(client.scans) == 2 * COUNT / UNIT


def test_rows_out_of_order_are_looked_up_by_id(rows: tuple[KuduRows, ImagesInMemory]) -> None:
    taken, client = rows
    wanted = np.array([41, 3, 3, 59])
    assert numbers(taken.take(wanted)[0]) == [41, 3, 3, 59]
    ids = sorted(IMAGES_OF)
    assert client.scans == [("images", [ids[3]]), ("images", [ids[41]]), ("images", [ids[59]])]


def test_a_jump_to_another_position_reads_only_from_there(
    rows: tuple[KuduRows, ImagesInMemory],
) -> None:
    taken, client = rows
    wanted, _ = taken.order.at(1, 45, 50)
    assert numbers(taken.take(wanted)[0]) == wanted.tolist()
    wanted, _ = taken.order.at(1, 50, 60)
    assert numbers(taken.take(wanted)[0]) == wanted.tolist()
    # The window of position 45 is the last of the second and last epoch.
    assert len(client.scans) == 2

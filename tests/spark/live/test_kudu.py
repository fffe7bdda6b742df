"""Batches straight from Kudu: the rows of the query, each once, in any process and after a break."""

from __future__ import annotations

import json
import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.errors import InputError, MissingRow, NoData, QueryRefused, UnknownName
from labelmill.feed.maps.augment import flip
from labelmill.feed.maps.preparation import prepared
from labelmill.live.kudu import chunks
from labelmill.live.kudu.batches import KuduBatches
from labelmill.live.kudu.planner import make_plan
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES
from tests.helpers.live_images import noise_images, put, query, rows_of
from tests.helpers.streams import until

COUNT = 150
SMALL = 40 * 16
"""Bytes of a window: 40 images of 4×4."""


@pytest.fixture
def truth(client: RowClient) -> dict[str, str]:
    """image_id → class of 150 images."""
    return put(client, noise_images(COUNT))


@pytest.fixture
def live(spark: SparkSession, settings: Settings, truth: dict[str, str]) -> KuduBatches:
    """All of them, in units of twenty."""
    return KuduBatches.of(make_plan(query(), settings, spark, unit_bytes=20 * 16), settings)


def test_the_rows_of_the_query_come_once_each_epoch(
    live: KuduBatches, truth: dict[str, str]
) -> None:
    assert len(live) == COUNT
    assert live.classes == ["a", "b"]
    assert len(live.planned.units) == 8
    batches = live.numpy(32, seed=3, window_bytes=SMALL)
    epochs = [rows_of(list(batches), live.classes) for _ in range(3)]
    for rows in epochs:
        assert len(rows) == COUNT
        assert dict(rows) == truth
    assert len({tuple(rows) for rows in epochs}) == 3
    again = live.numpy(32, seed=3, window_bytes=SMALL, prefetch=0)
    assert [rows_of(list(again), live.classes) for _ in range(3)] == epochs
    plain = rows_of(list(live.numpy(32, shuffle=False)), live.classes)
    assert plain == sorted(truth.items())
    assert [len(x) for x, _ in live.numpy(32)] == [32, 32, 32, 32, 22]
    assert [len(x) for x, _ in live.numpy(32, drop_remainder=True)] == [32] * 4
    assert live.class_weights() == {0: 1.0, 1: 1.0}


def test_what_is_written_later_is_not_seen(
    live: KuduBatches, client: RowClient, truth: dict[str, str]
) -> None:
    put(client, noise_images(10, seed=9))
    first, second = sorted(truth)[:2]
    (row,) = client.scan(IMAGES, where={"collection": "c", "image_id": first})
    client.write(IMAGES, [{**row, "pixels": bytes(16)}])
    client.write(IMAGES, [{"collection": "c", "image_id": second}], "delete_ignore")
    assert dict(rows_of(list(live.numpy(64)), live.classes)) == truth


def _part(data: bytes, settings: str, number: int, answers: str) -> None:
    """Runs in another process."""
    part = KuduBatches.of(data, Settings.model_validate_json(settings)).part(number, 3)
    rows = rows_of(list(part.numpy(16)), part.classes)
    Path(answers, f"{number}.json").write_text(json.dumps(rows))


def test_processes_share_a_plan(
    live: KuduBatches, settings: Settings, truth: dict[str, str], tmp_path: Path
) -> None:
    fresh = multiprocessing.get_context("spawn")
    data, settings_json = live.planned.to_bytes(), settings.model_dump_json()
    workers = [
        fresh.Process(target=_part, args=(data, settings_json, number, str(tmp_path)))
        for number in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    rows = [
        tuple(row) for path in sorted(tmp_path.iterdir()) for row in json.loads(path.read_text())
    ]
    assert len(rows) == COUNT
    assert dict(rows) == truth


def test_a_plan_for_many_processes_has_units_for_all(
    spark: SparkSession, settings: Settings, truth: dict[str, str]
) -> None:
    plan = KuduBatches.plan(query(), settings, spark)
    assert len(plan.units) == 1
    many = KuduBatches.plan(query(), settings, spark, parts=7)
    assert sum(len(many.part(number, 7)) for number in range(7)) == COUNT
    each = KuduBatches.plan(query(), settings, spark, parts=COUNT)
    assert [len(each.part(number, COUNT)) for number in range(COUNT)] == [1] * COUNT
    with pytest.raises(InputError, match="150 images, too few for 151 processes"):
        KuduBatches.plan(query(), settings, spark, parts=COUNT + 1)
    with pytest.raises(InputError, match="parts=0"):
        KuduBatches.plan(query(), settings, spark, parts=0)


def test_a_pass_that_is_abandoned_leaves_no_thread_and_the_next_starts_over(
    live: KuduBatches,
) -> None:
    def readers() -> list[str]:
        return [one.name for one in threading.enumerate() if "labelmill-kudu" in one.name]

    whole = live.numpy(32, seed=5, window_bytes=SMALL, repeat=3)
    rows = rows_of(list(whole), live.classes)
    batches = live.numpy(32, seed=5, window_bytes=SMALL, repeat=3)
    first = next(iter(batches))
    # Taking only the first batch is not a pass.
    assert rows_of(list(batches), live.classes) == rows
    assert rows_of([first], live.classes) == rows[:32]
    until(lambda: not readers())


@pytest.mark.parametrize("taken", [0, 1, 3, 5])
def test_a_state_continues_in_mid_epoch(live: KuduBatches, taken: int) -> None:
    whole = live.numpy(32, seed=5, repeat=2, window_bytes=SMALL)
    rows = rows_of(list(whole), live.classes)
    broken = live.numpy(32, seed=5, repeat=2, window_bytes=SMALL)
    walk = iter(broken)
    before = [next(walk) for _ in range(taken)]
    state = json.loads(json.dumps(broken.state()))
    rest = live.numpy(32, seed=5, repeat=2, window_bytes=SMALL)
    rest.restore(state)
    assert rows_of([*before, *rest], live.classes) == rows
    with pytest.raises(InputError, match="window_bytes"):
        live.numpy(32, seed=5, repeat=2, window_bytes=2 * SMALL).restore(state)
    with pytest.raises(InputError, match="digest"):
        live.part(0, 2).numpy(32, seed=5, repeat=2, window_bytes=SMALL).restore(state)


@pytest.mark.train
def test_a_dataset_gives_the_same(live: KuduBatches, truth: dict[str, str]) -> None:
    dataset = live.tf(32, seed=3, window_bytes=SMALL)
    assert dataset.element_spec[0].shape.as_list() == [None, 4, 4, 1]
    expected = list(live.numpy(32, seed=3, window_bytes=SMALL))
    found = [(x.numpy(), y.numpy()) for x, y in dataset]
    assert rows_of(found, live.classes) == rows_of(expected, live.classes)
    assert len(dataset) == 5
    again = live.tf(32, seed=3, window_bytes=SMALL)
    walk = iter(again)
    before = [next(walk) for _ in range(2)]
    rest = live.tf(32, seed=3, window_bytes=SMALL)
    rest.restore(again.state())
    rows = rows_of([(x.numpy(), y.numpy()) for x, y in [*before, *rest]], live.classes)
    assert rows == rows_of(expected, live.classes)


def test_images_of_all_sizes(spark: SparkSession, settings: Settings, client: RowClient) -> None:
    images = {
        **noise_images(5),
        **noise_images(4, (300, 250, 1), seed=1),  # in chunks
        **noise_images(3, (200, 160, 3), seed=2),  # in chunks
        **noise_images(2, (9, 7, 3), seed=3, dtype="uint16"),
    }
    truth = put(client, images)
    live = KuduBatches.of(make_plan(query(), settings, spark, unit_bytes=100_000), settings)
    assert len(live.planned.units) > 3
    with pytest.raises(InputError, match=r"4 shapes.*cannot go into one batch.*map=prepared"):
        live.numpy(4)
    grey = prepared(["grey", {"resize": [8, 8]}])
    batches = list(live.numpy(4, shuffle=False, map=grey))
    found = np.concatenate([x for x, _ in batches])
    expected = grey.preparation.apply([images[i] for i in sorted(images)])
    assert found.shape == (14, 8, 8, 1)
    assert (found == expected).all()
    assert [live.classes[y] for _, labels in batches for y in labels] == [
        truth[i] for i in sorted(truth)
    ]


@pytest.mark.parametrize("group_bytes", [1, 160_000, 8 << 20])
def test_images_in_chunks_of_one_shape(
    spark: SparkSession,
    settings: Settings,
    client: RowClient,
    monkeypatch: pytest.MonkeyPatch,
    group_bytes: int,
) -> None:
    monkeypatch.setattr(chunks, "CHUNKS_BYTES", group_bytes)
    truth = put(client, noise_images(6, (300, 250, 1)))
    live = KuduBatches(query(), settings, spark)
    assert dict(rows_of(list(live.numpy(4)), live.classes)) == truth


def test_a_small_share_of_a_collection_is_read_by_id(
    spark: SparkSession, settings: Settings, truth: dict[str, str]
) -> None:
    few = sorted(truth)[::20]
    ids = ", ".join(f"'{i}'" for i in few)
    live = KuduBatches(f"{query()} and t.image_id in ({ids})", settings, spark)
    assert [unit.tokens for unit in live.planned.units] == [()]
    assert dict(rows_of(list(live.numpy(3)), live.classes)) == {i: truth[i] for i in few}


def test_a_large_share_is_read_by_token_and_filtered(
    spark: SparkSession, settings: Settings, client: RowClient, truth: dict[str, str]
) -> None:
    other = put(client, noise_images(30, seed=4), "d")
    sql = (
        "select collection, image_id, class from truth where class = 'a' or collection = 'd' "
        "and class = :more"
    )
    live = KuduBatches(sql, settings, spark, parameters={"more": "b"}, classes=["b", "a"])
    assert all(unit.tokens for unit in live.planned.units)
    expected = {i: c for i, c in truth.items() if c == "a"} | other
    rows = rows_of(list(live.numpy(16)), ["b", "a"])
    assert dict(rows) == expected
    assert len(rows) == len(expected)


def test_masks_move_with_their_images(
    spark: SparkSession, settings: Settings, client: RowClient
) -> None:
    images, masks = noise_images(30, (6, 5, 3)), noise_images(4, (6, 5, 1), seed=8)
    put(client, images, "pictures")
    put(client, masks, "masks")
    names = sorted(masks)
    sql = (
        "select collection, image_id, 'masks' as mask_collection, element_at(array("
        + ", ".join(f"'{name}'" for name in names)
        + "), cast(pmod(conv(substr(image_id, 1, 4), 16, 10), 4) as int) + 1) as mask_id "
        "from images where collection = 'pictures'"
    )
    live = KuduBatches(sql, settings, spark)

    def mask_of(image_id: str) -> np.ndarray:
        return masks[names[int(image_id[:4], 16) % 4]]

    ids = sorted(images)
    found = [pair for x, y in live.numpy(7, shuffle=False) for pair in zip(x, y, strict=True)]
    assert all((x == images[i]).all() for i, (x, _) in zip(ids, found, strict=True))
    assert all((y == mask_of(i)).all() for i, (_, y) in zip(ids, found, strict=True))
    flipped = live.numpy(30, shuffle=False, map=flip(horizontal=True, chance=1.0))
    x, y = next(iter(flipped))
    assert (x == np.stack([images[i][:, ::-1] for i in ids])).all()
    assert (y == np.stack([mask_of(i)[:, ::-1] for i in ids])).all()


def test_several_classes_and_none(
    spark: SparkSession, settings: Settings, truth: dict[str, str]
) -> None:
    sql = (
        "select collection, image_id, if(class = 'a', array('x', 'z', 'x'), array()) as classes "
        "from truth"
    )
    live = KuduBatches(sql, settings, spark)
    assert live.classes == ["x", "z"]
    _, targets = next(iter(live.numpy(COUNT, shuffle=False)))
    expected = [[1, 1] if truth[i] == "a" else [0, 0] for i in sorted(truth)]
    assert targets.dtype == np.float32
    assert targets.tolist() == expected
    alone = KuduBatches(
        "select collection, image_id, pixels from images", settings, spark, no_target=True
    )
    assert next(iter(alone.numpy(8))).shape == (8, 4, 4, 1)
    with pytest.raises(InputError, match="class weights of target 'none'"):
        alone.class_weights()


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("select * from truth where class = 'never'", NoData, "no rows"),
        ("select collection, class from truth", UnknownName, "'image_id'"),
        ("select collection, image_id, class from truths", UnknownName, "truth"),
        ("select collection, image_id, class from truth limit 5", QueryRefused, "(?i)limit"),
        (
            "select a.collection, a.image_id, a.class from truth a join truth b on a.class = b.class",
            InputError,
            "more than once",
        ),
    ],
)
def test_queries_that_cannot_be_used(
    spark: SparkSession,
    settings: Settings,
    truth: dict[str, str],
    sql: str,
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        KuduBatches(sql, settings, spark)
    with pytest.raises(InputError, match=r"not in the class list: 'b' \(75×\)"):
        KuduBatches.plan(query(), settings, spark, classes=["a"])


def test_masks_of_another_size_than_their_images(
    spark: SparkSession, settings: Settings, client: RowClient
) -> None:
    images, masks = noise_images(5), noise_images(1, (20, 40, 1), seed=8)
    put(client, images)
    put(client, masks, "masks")
    (mask,) = masks
    sql = (
        f"select collection, image_id, 'masks' as mask_collection, '{mask}' as mask_id from images "
        "where collection = 'c'"
    )
    with pytest.raises(
        InputError,
        match=rf"the mask {mask} is 20×40×1 uint8, its image {sorted(images)[0]} is 4×4×1 uint8; a mask "
        r"is as high and wide as its image \(5 are not\)",
    ):
        KuduBatches.plan(sql, settings, spark)


def test_more_rows_than_the_driver_accepts(
    spark: SparkSession, settings: Settings, truth: dict[str, str]
) -> None:
    limits = spark.sparkContext._jsc.sc().conf()
    limits.set("spark.driver.maxResultSize", "1k")
    try:
        with pytest.raises(
            InputError, match=r"more rows than the driver accepts at once.*maxResult"
        ):
            KuduBatches.plan(query(), settings, spark)
    finally:
        limits.remove("spark.driver.maxResultSize")


def test_images_that_do_not_exist(
    spark: SparkSession, settings: Settings, client: RowClient, truth: dict[str, str]
) -> None:
    (row,) = client.scan(ANNOTATIONS, where={"image_id": sorted(truth)[0]})
    client.write(ANNOTATIONS, [{**row, "image_id": "0" * 64}])
    with pytest.raises(InputError, match=r"1 of 151 images.*c/000000000000.*join the view images"):
        KuduBatches(query(), settings, spark)


def test_a_chunk_that_is_missing(
    spark: SparkSession, settings: Settings, client: RowClient
) -> None:
    truth = put(client, noise_images(2, (300, 250, 1)))
    gone = sorted(truth)[1]
    client.write(IMAGE_CHUNKS, [{"collection": "c", "image_id": gone, "chunk": 1}], "delete_ignore")
    live = KuduBatches(query(), settings, spark)
    with pytest.raises(MissingRow, match=rf"c/{gone} has 42,232 bytes.*75,000.*ingest it again"):
        list(live.numpy(2))

"""What can be frozen: images by key alone, large ones, masks, several classes, none, records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from labelmill.domain.splits.assign import Division
from labelmill.errors import InputError, UnknownName
from labelmill.feed.files.columns import masks_of
from labelmill.feed.training_set import TrainingSet
from labelmill.pipelines.freeze.driver import default_sql, freeze, truth_sql
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGE_CHUNKS
from labelmill.store.spark.frames import ensure_all
from labelmill.training_sets.assembly.options import Options
from tests.helpers.catalogues import annotate, drawn, put_images, put_records

ALL_TRAIN = Options(Division(fractions=(1.0, 0.0, 0.0)))


def _ids(count: int, letter: str = "i") -> list[str]:
    return [f"{letter}{n:03d}" for n in range(count)]


@pytest.fixture
def catalogue(settings: Settings, client: RowClient) -> RowClient:
    ensure_all(settings, client)
    return client


def _frozen(
    spark: SparkSession, settings: Settings, sql: str, *more: Any, **named: Any
) -> TrainingSet:
    return TrainingSet.open(freeze(spark, settings, sql, "x", *more, **named).results["location"])


def test_keys_are_enough_whatever_the_images_are(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    small = dict(zip(_ids(40), drawn(40), strict=True))
    wide = dict(zip(_ids(9, "w"), drawn(9, (3, 8, 2)), strict=True))
    deep = {"d": np.random.default_rng(1).integers(0, 65536, (5, 5, 3), np.uint16)}
    large = dict(zip(_ids(3, "l"), drawn(3, (200, 400, 1)), strict=True))
    splits = {i: "test" if n % 4 == 0 else "train" for n, i in enumerate(small)}
    put_images(catalogue, "c", small | wide | deep, splits)
    put_images(catalogue, "c", large, chunked=True)
    every = small | wide | deep | large
    classes = {i: "ab"[n % 2] for n, i in enumerate(every)}
    annotate(catalogue, "c", classes)
    by_key = _frozen(spark, settings, truth_sql("c"), Options(source_splits=True))
    for split in ("train", "validation", "test"):
        ids, images, labels = by_key.split(split)
        for image_id, image, label in zip(ids, images, labels, strict=True):
            assert image.dtype == every[image_id].dtype
            assert (image == every[image_id]).all()
            assert by_key.classes[label] == classes[image_id]
            if split == "test" and image_id in splits:
                assert splits[image_id] == "test"
    assert by_key.manifest.rows == len(every)
    # The same rows when the query gives everything, whatever it goes through on the way.
    for sql in (default_sql("c"), f"with x as ({default_sql('c')}) select * from x"):
        again = freeze(spark, settings, sql, "x").results
        assert (again["digest"], again["already_frozen"]) == (by_key.digest, True)
    # Made by the query they are its own: those that it does not have are not taken from elsewhere.
    own = default_sql("c").replace("i.pixels", "concat(i.pixels) pixels")
    with pytest.raises(
        InputError, match=r"pixels are null for 3 of 53 images: c/l000, .*image_chunks"
    ):
        freeze(spark, settings, own, "x")


def test_what_the_query_computes_is_what_is_frozen(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    put_images(catalogue, "c", dict(zip(_ids(20), drawn(20), strict=True)))
    sql = "select collection, image_id, 'x' class, {} from images"
    upper = _frozen(
        spark, settings, sql.format("substring(pixels, 1, 8) pixels, 2 height"), ALL_TRAIN
    )
    ids, images, _ = upper.split("train")
    assert (np.asarray(images) == np.stack(drawn(20))[:, :2]).all()
    assert ids == _ids(20)
    with pytest.raises(InputError, match="image i000: 8 bytes of pixels do not fit 4×4×1 uint8"):
        freeze(spark, settings, sql.format("substring(pixels, 1, 8) pixels"), "x")


INVERTED = "unhex(translate(hex(pixels), '0123456789ABCDEF', 'FEDCBA9876543210')) pixels"
KEPT = "select collection, image_id, 'x' class, height, width, channels, dtype, pixels from images"
MADE = KEPT.replace("pixels from", f"{INVERTED} from")
FIRST, LAST = f"{KEPT} where image_id < 'i010'", f"{MADE} where image_id >= 'i010'"


@pytest.mark.parametrize(
    "sql",
    [
        f"{FIRST} union all {LAST}",
        f"with x as ({KEPT}), y as ({FIRST.replace('images', 'x')} union all {LAST}) select * from y",
        f"with x as ({MADE}) {FIRST} union all select * from x where image_id >= 'i010'",
    ],
)
def test_pixels_of_another_branch_are_frozen_as_it_made_them(
    spark: SparkSession, settings: Settings, catalogue: RowClient, sql: str
) -> None:
    put_images(catalogue, "c", dict(zip(_ids(20), drawn(20), strict=True)))
    ids, images, _ = _frozen(spark, settings, sql, ALL_TRAIN).split("train")
    expected = [a if n < 10 else 255 - a for n, a in enumerate(drawn(20))]
    assert ids == _ids(20)
    assert (np.asarray(images) == np.stack(expected)).all()


def test_rows_that_are_written_out_are_frozen_as_they_are(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    put_images(catalogue, "c", dict(zip(_ids(2), drawn(2), strict=True)))
    values = (
        "select * from values ('c', 'i000', 'a', 1, 2, 1, 'uint8', X'0102'), ('c', 'i001', 'b', 1, 2, "
        "1, 'uint8', X'0304') as t(collection, image_id, class, height, width, channels, dtype, pixels)"
    )
    images = _frozen(spark, settings, values, ALL_TRAIN).split("train")[1]
    assert np.asarray(images).reshape(-1).tolist() == [1, 2, 3, 4]


def test_shapes_that_only_alpha_has_are_told(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    for colour, told in ((0, True), (1, False)):
        inks = np.zeros((6, 4, 4, 4), np.uint8)
        for number, ink in enumerate(inks):
            ink[number % 4, number // 4 :, 3] = 255
        inks[5, 1, 3, 0] = colour
        put_images(catalogue, "c", dict(zip(_ids(6), inks, strict=True)))
        annotate(catalogue, "c", {i: "ab"[n % 2] for n, i in enumerate(_ids(6))})
        notes = freeze(spark, settings, truth_sql("c"), "inks", ALL_TRAIN).notes
        assert any("6 images are black where they show" in note for note in notes) == told


def test_masks_come_with_their_images(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    images = dict(zip(_ids(12), drawn(12, (6, 5, 3)), strict=True))
    masks = dict(zip(_ids(12, "m"), drawn(12, (6, 5, 1), 1), strict=True))
    masks["large"] = drawn(1, (200, 300, 2))[0]
    put_images(catalogue, "cells", images | {"big": drawn(1, (200, 300, 1))[0]})
    put_images(catalogue, "masks", {k: v for k, v in masks.items() if k != "large"})
    put_images(catalogue, "masks", {"large": masks["large"]}, chunked=True)
    sql = (
        "select collection, image_id, 'masks' mask_collection, case image_id when 'big' then 'large' "
        "when 'i000' then 'm011' else concat('m', substring(image_id, 2)) end mask_id "
        "from images where collection = 'cells'"
    )
    frozen = _frozen(spark, settings, sql, ALL_TRAIN)
    assert (frozen.manifest.target, frozen.manifest.histogram) == ("mask", {"train": {"": 13}})
    [batch] = frozen.rows("train").combine_chunks().to_batches()
    found = dict(zip(batch["image_id"].to_pylist(), masks_of(batch), strict=True))
    assert (found["big"] == masks["large"]).all()
    assert (found["i000"] == masks["m011"]).all(), "two images may have one mask"
    assert (found["i007"] == masks["m007"]).all()
    with pytest.raises(InputError, match="the mask m000 is 6×5×1 uint8, its image big is 200×300"):
        freeze(spark, settings, sql.replace("'large'", "'m000'"), "x")
    with pytest.raises(InputError, match=r"1 of 12 images that the query names .*: masks/gone"):
        freeze(spark, settings, sql.replace("'large'", "'gone'"), "x")


def test_several_classes_or_none(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    put_images(catalogue, "c", dict(zip(_ids(6), drawn(6), strict=True)))
    several = (
        "select collection, image_id, case when image_id = 'i000' then cast(array() as "
        "array<string>) when image_id < 'i003' then array('z', 'a', 'z', null) else array('a') end "
        "classes from images"
    )
    frozen = _frozen(spark, settings, several, ALL_TRAIN)
    assert frozen.rows("train")["classes"].to_pylist() == [[], *[["a", "z"]] * 2, *[["a"]] * 3]
    assert frozen.manifest.histogram == {"train": {"a": 5, "z": 2}}
    assert frozen.manifest.classes == ["a", "z"]
    listed = Options(Division(fractions=(1, 0, 0)), class_list=("z", "q", "a"))
    assert _frozen(spark, settings, several, listed).classes == ["z", "q", "a"]
    alone = "select collection, image_id from images"
    bare = _frozen(spark, settings, alone, Options(Division(fractions=(1, 0, 0)), no_target=True))
    assert (bare.manifest.target, len(bare.rows("train"))) == ("none", 6)
    assert "class" not in bare.rows("train").column_names
    for sql, options, error, text in (
        (alone, Options(), UnknownName, "needs 'class' .or class, classes or mask_id.*--no-target"),
        (several, Options(no_target=True), InputError, "returns classes but --no-target was given"),
        ("select *, 'a' class, array('a') classes from images", Options(), InputError,
         "returns class and classes; expected one"),
        ("select *, 'a' classes from images", Options(), InputError, "classes is string, expected an array"),
        ("select image_id, 'a' class from images", Options(), UnknownName, "identified by collection"),
        ("select uri, split, 'a' class from images", Options(), InputError,
         "a query without image_id: .* the query returns uri, split, class"),
        (alone.replace("image_id", "concat(image_id, 'x') image_id, 'a' class"), Options(),
         InputError, "6 of 6 images that the query names are not in `images`"),
    ):  # fmt: skip
        with pytest.raises(error, match=text):
            freeze(spark, settings, sql, "x", options)


def test_records_are_frozen_with_their_features(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    put_records(catalogue, "adult", [
        (f"{n:03d}", "test" if n % 5 == 0 else None, "rich" if n % 3 else "poor",
         json.dumps({"age": 20 + n, "job": None if n == 7 else f"job {n % 4}"}))
        for n in range(50)
    ])  # fmt: skip
    sql = (
        "select collection, record_id, split, class, cast(get_json_object(features, '$.age') as int) "
        "age, get_json_object(features, '$.job') job, cast(ingested_at as timestamp) seen, "
        "true human, 1.5f weight from records"
    )
    frozen = _frozen(spark, settings, sql, Options(Division(fractions=(0.5, 0.2, 0.3))))
    assert frozen.manifest.kind == "records"
    rows = [row for s in ("test", "train", "validation") for row in frozen.rows(s).to_pylist()]
    assert len(rows) == 50
    [seventh] = [row for row in rows if row["record_id"] == "007"]
    assert seventh["job"] is None
    assert {k: seventh[k] for k in ("class", "age", "human", "weight")} == {
        "class": "rich", "age": 27, "human": True, "weight": 1.5,
    }  # fmt: skip
    assert all(row["split"] == "test" for row in rows if int(row["record_id"]) % 5 == 0)
    grouped = Options(group_by="job")
    told = _frozen(spark, settings, sql.replace("split, ", ""), grouped).manifest.splitting
    assert (told["grouped_by"], told["groups_in_two_splits"]) == ("job", 0)
    for text, error in (
        ("1.5 weight", "cast\\(weight as double\\)"),
        ("array(1) weight", "weight"),
    ):
        with pytest.raises(InputError, match=error):
            freeze(spark, settings, sql.replace("1.5f weight", text), "x")


def test_a_missing_or_foreign_chunk_is_named(
    spark: SparkSession, settings: Settings, catalogue: RowClient
) -> None:
    put_images(catalogue, "c", {"large": drawn(1, (200, 400, 1))[0]}, chunked=True)
    annotate(catalogue, "c", {"large": "a"})
    key = {"collection": "c", "image_id": "large"}
    catalogue.write(IMAGE_CHUNKS, [{**key, "chunk": 9, "data": b"x" * 10}])
    with pytest.raises(InputError, match=r"image large: .* do not fit 200×400×1 uint8"):
        freeze(spark, settings, truth_sql("c"), "x")
    catalogue.write(IMAGE_CHUNKS, [{**key, "chunk": n} for n in (0, 9)], "delete_ignore")
    with pytest.raises(InputError, match="47,232 bytes of pixels do not fit 200×400×1 uint8"):
        freeze(spark, settings, truth_sql("c"), "x")
    assert not list(Path(settings.training_set_root()).iterdir())

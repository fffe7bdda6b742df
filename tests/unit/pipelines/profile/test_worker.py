"""What executors do with images, as plain functions on record batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.domain.images.image import thumbnail
from labelmill.domain.profiles.perceptual_hash import grey_thumbnails, looks
from labelmill.pipelines.profile.duplicates_worker import band_batches, digest_batches, pair_batches
from labelmill.pipelines.profile.worker import (
    KEPT,
    attribute_batches,
    describe_batches,
    greys_of,
    merge_batches,
    outlines_of,
    sum_batches,
)
from labelmill.sql.pixels import PART_COLUMNS

RANDOM = np.random.default_rng(0)
SMALL = RANDOM.integers(0, 256, (20, 30, 1), np.uint8)
DEEP = RANDOM.integers(0, 65536, (9, 9, 3), np.uint16)
LARGE = RANDOM.integers(0, 256, (90, 40, 3), np.uint8)


def row(number: int, pixels: Any, png: bytes | None = None) -> dict[str, Any]:
    height, width, channels = pixels.shape
    return {
        "image_id": f"i{number}",
        "split": None,
        "height": height,
        "width": width,
        "channels": channels,
        "dtype": pixels.dtype.name,
        "mean": 0.5,
        "std": 0.1,
        "ink": 0.2,
        "bytes": 99,
        "attributes": None,
        "source_micros": None,
        "pixels": None if png is not None else pixels.tobytes(),
        "thumbnail": png,
    }


def read(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    schema = pa.schema([*KEPT.items(), ("pixels", pa.binary()), ("thumbnail", pa.binary())])
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def test_describes_images_by_their_pixels_or_thumbnail_and_stops_at_none() -> None:
    rows = [
        row(0, SMALL),
        row(1, SMALL) | {"pixels": b"short"},
        row(2, LARGE, thumbnail(LARGE)),
        row(3, LARGE, b"no png"),
        row(4, SMALL) | {"pixels": None},
        row(5, DEEP),
        row(6, np.full((5, 5, 1), 7, np.uint8)),
    ]
    (described,) = describe_batches(iter([read(rows)]))
    found = described.to_pylist()
    assert [r["image_id"] for r in found] == [f"i{n}" for n in range(7)]
    assert [r["grey"] is not None for r in found] == [True, False, True, False, False, True, True]
    assert [r["hash"] is not None for r in found] == [True, False, True, False, False, True, False]
    for place, pixels in ((0, SMALL), (5, DEEP)):
        grey = grey_thumbnails([pixels])
        assert found[place]["grey"] == grey.tobytes()
        assert found[place]["hash"] % 2**64 == int(looks(grey).hashes[0])
        assert found[place]["outline"] == looks(grey).outlines.tobytes()
    assert next(iter(describe_batches(iter([read([])])))).num_rows == 0


def test_sums_do_not_depend_on_how_rows_were_cut() -> None:
    greys = RANDOM.integers(0, 256, (50, 1024), np.uint8)
    classes = [[None, "a", "b", "c"][n % 4] for n in range(50)]
    rows = [{"class": c, "grey": g.tobytes()} for c, g in zip(classes, greys, strict=True)]
    rows.insert(7, {"class": "a", "grey": None})
    schema = pa.schema([("class", pa.string()), ("grey", pa.binary())])
    whole = pa.RecordBatch.from_pylist(rows, schema=schema)
    tasks = [[whole.slice(0, 9), whole.slice(9, 2)], [whole.slice(11)], []]
    parts = [next(sum_batches(iter(task), {"a", "c"})) for task in tasks]
    (merged,) = merge_batches(iter(parts))
    found = {
        r["class"]: (r["images"], np.frombuffer(r["sums"], np.int64)) for r in merged.to_pylist()
    }
    assert set(found) == {None, "a", "c"}
    for name in (None, "a", "c"):
        which = np.array([name is None or c == name for c in classes])
        assert found[name][0] == which.sum()
        assert (found[name][1] == greys[which].sum(axis=0, dtype=np.int64)).all()


def test_counts_attributes_whatever_people_wrote() -> None:
    texts = [
        '{"a": 1, "b": null}',
        '{"a": "x", "b": [1], "c": {}}',
        None,
        "not json",
        "[1]",
        '{"a": true}',
    ]
    batch = pa.RecordBatch.from_pydict({"attributes": pa.array(texts)})
    (found,) = attribute_batches(iter([batch]))
    assert {(r["key"], r["type"]): r["images"] for r in found.to_pylist()} == {
        ("a", "number"): 1, ("a", "string"): 1, ("a", "boolean"): 1, ("b", "null"): 1,
        ("b", "list"): 1, ("c", "object"): 1, ("(not JSON)", "string"): 1, ("(not an object)", "list"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pairs_do_not_depend_on_batches(size: int) -> None:
    greys = RANDOM.integers(0, 256, (60, 32, 32), np.uint8)
    greys[30:] = np.clip(greys[:30].astype(int) + RANDOM.integers(-3, 4, (30, 32, 32)), 0, 255)
    found = looks(greys)
    batch = pa.RecordBatch.from_pydict(
        {
            "look": np.arange(60),
            "hash": found.hashes.view(np.int64),
            "outline": [o.tobytes() for o in found.outlines],
        }
    )
    banded = pa.Table.from_batches(band_batches(iter([batch]), 4))
    ordered = banded.sort_by([(n, "ascending") for n in ("key", "hash", "look")]).combine_chunks()
    cut = ordered.to_batches(max_chunksize=size)
    pairs = {(r["a"], r["b"]) for b in pair_batches(iter(cut), 4, 0.9) for r in b.to_pylist()}
    assert pairs == {(n, n + 30) for n in range(30)}


def test_pixels_have_the_same_digest_however_they_were_cut() -> None:
    def parts(image_id: str, pixels: Any, size: int) -> list[dict[str, Any]]:
        data = pixels.tobytes()
        height, width, channels = pixels.shape
        values = (image_id, height, width, channels, pixels.dtype.name)
        return [
            dict(zip(PART_COLUMNS, (*values, n, data[n * size : (n + 1) * size]), strict=True))
            for n in range(-(-len(data) // size))
        ]

    turned = LARGE.reshape(40, 90, 3)
    rows = [
        *parts("a", LARGE, 10**6), *parts("b", LARGE, 1000), *parts("c", turned, 1000),
        *parts("d", LARGE[::-1], 77), *parts("e", LARGE, 13),
    ]  # fmt: skip
    for size in (1, 5, 10_000):
        cut = pa.Table.from_pylist(rows).to_batches(max_chunksize=size)
        found = {
            r["image_id"]: r["digest"] for b in digest_batches(iter(cut)) for r in b.to_pylist()
        }
        assert found["a"] == found["b"] == found["e"]
        assert len({found["a"], found["c"], found["d"]}) == 3
    assert next(iter(digest_batches(iter([])))).num_rows == 0


def test_views_of_slices_start_where_the_slice_does() -> None:
    greys = RANDOM.integers(0, 256, (5, 1024), np.uint8)
    outlines = RANDOM.integers(-127, 128, (5, 144)).astype(np.int8)
    column = pa.array([g.tobytes() for g in greys]).slice(2, 2)
    assert (greys_of(column) == greys[2:4]).all()
    column = pa.array([o.tobytes() for o in outlines]).slice(3)
    assert (outlines_of(column) == outlines[3:]).all()

"""What comes out of a training set, as numpy arrays."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError, NoData
from labelmill.feed.files.columns import About
from labelmill.feed.maps.augment import crop, flip, noise
from labelmill.feed.maps.functions import arrays, batched
from labelmill.feed.maps.preparation import prepared
from labelmill.feed.rows.targets import Features
from labelmill.feed.training_set import TrainingSet
from tests.helpers.training_sets import image_row, number_of, numbered, scattered, write

CLASSES = ["a", "b", "c"]


def numbers(batches: Any) -> list[int]:
    return [n for images, _ in batches for n in number_of(images)]


def test_an_epoch_has_every_image_once_with_its_class(tmp_path: Path) -> None:
    batches = numbered(tmp_path, 301).numpy(16)
    found: list[int] = []
    sizes = []
    for images, classes in batches:
        assert classes.dtype == np.int64
        assert [CLASSES[c] for c in classes] == ["aaaaaaabbc"[n % 10] for n in number_of(images)]
        assert (images[:, 1, 1, 0] == np.array(number_of(images)) % 251).all(), "the whole image"
        found += number_of(images)
        sizes.append(len(images))
    assert sorted(found) == list(range(301))
    assert found != sorted(found)
    assert sizes == [16] * 18 + [13]
    assert len(batches) == 19


def test_the_frozen_order_is_that_of_the_keys(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    assert numbers(frozen.numpy(7, shuffle=False)) == list(range(100))
    assert numbers(frozen.numpy(7, shuffle=False, drop_remainder=True)) == list(range(98))


def test_the_seed_decides_and_every_epoch_is_another(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    batches, same = frozen.numpy(9, seed=4), TrainingSet.open(frozen.location).numpy(9, seed=4)
    first, second = numbers(batches), numbers(batches)
    assert first != second
    assert [numbers(same), numbers(same)] == [first, second]
    assert numbers(frozen.numpy(9, seed=5)) != first
    assert numbers(frozen.numpy(32, seed=4)) == first, "the order knows nothing of batches"
    assert numbers(frozen.numpy(9, seed=4, prefetch=0)) == first
    assert numbers(frozen.numpy(9, seed=4, repeat=2)) == first + second
    endless = frozen.numpy(10, seed=4, repeat=True)
    assert numbers(itertools.islice(endless, 20)) == first + second
    with pytest.raises(TypeError, match="no length"):
        len(endless)


@pytest.mark.parametrize("stop", [1, 2, 9, 12, 13, 20])
@pytest.mark.parametrize("prefetch", [0, 4])
def test_a_state_resumes_with_no_image_duplicate_or_missing(
    tmp_path: Path, stop: int, prefetch: int
) -> None:
    frozen = numbered(tmp_path)
    options = {"seed": 2, "repeat": 2, "prefetch": prefetch, "map": flip()}
    whole = [images for images, _ in frozen.numpy(8, **options)]
    batches = frozen.numpy(8, **options)
    before = [images for images, _ in itertools.islice(batches, stop)]
    state = json.loads(json.dumps(batches.state()))
    resumed = TrainingSet.open(frozen.location).numpy(8, **options)
    resumed.restore(state)
    after = [images for images, _ in resumed]
    assert len(before) == stop
    assert len(before) + len(after) == len(whole)
    for mine, theirs in zip(before + after, whole, strict=True):
        assert (mine == theirs).all(), "augmented alike, too"


def test_a_state_of_other_batches_is_refused(tmp_path: Path) -> None:
    frozen = numbered(tmp_path / "one")
    state = frozen.numpy(8).state()
    for other in (
        frozen.numpy(8, seed=1), frozen.numpy(9), frozen.numpy(8, shuffle=False),
        frozen.numpy(8, balance=True), frozen.shard(0, 2).numpy(8),
        numbered(tmp_path / "other", 101).numpy(8),
    ):  # fmt: skip
        with pytest.raises(InputError, match="the state belongs to other batches"):
            other.restore(state)


def test_shards_have_equal_lengths_and_no_image_in_common(tmp_path: Path) -> None:
    frozen = numbered(tmp_path, 103)
    shards = [frozen.shard(n, 4) for n in range(4)]
    batches = [shard.numpy(5) for shard in shards]
    assert [len(b) for b in batches] == [5] * 4
    assert [len(shard) for shard in shards] == [25] * 4
    first = [numbers(b) for b in batches]
    assert len(set(itertools.chain(*first))) == 100
    assert set(itertools.chain(*(numbers(b) for b in batches))) != set(itertools.chain(*first))
    assert len(shards[1].arrow()) == 25
    assert len(frozen) == 103
    with pytest.raises(InputError, match="cannot be divided again"):
        shards[0].shard(0, 2)


def test_balance_draws_classes_equally_often(tmp_path: Path) -> None:
    classes = np.concatenate([c for _, c in numbered(tmp_path).numpy(8, balance=True)])
    assert sorted(np.bincount(classes)) == [33, 33, 34]


def test_class_weights_make_classes_count_the_same(tmp_path: Path) -> None:
    weights = numbered(tmp_path / "one").class_weights()
    assert weights == pytest.approx({0: 100 / (3 * 70), 1: 100 / (3 * 20), 2: 100 / (3 * 10)})
    rows = [image_row(n, np.zeros((1, 1, 1), np.uint8), **{"class": "a"}) for n in range(4)]
    lonely = TrainingSet.open(write(tmp_path / "two", rows))
    assert lonely.class_weights() == {0: 1.0, 1: 0.0, 2: 0.0}


def test_maps_compose_in_order(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    whole_batches = []

    def halve(image: Any, target: Any) -> Any:
        assert image.ndim == 3, "one image"
        return image / 2, target

    def lower(images: Any, targets: Any) -> Any:
        whole_batches.append(len(images))
        return images - 1, targets

    maps = (prepared([{"scale": 1}]), halve, batched(lower), arrays(lower))
    images, classes = next(iter(frozen.numpy(8, shuffle=False, map=maps, prefetch=0)))
    assert images[:, 0, 1, 0].tolist() == [n / 2 - 2 for n in range(8)]
    assert classes.tolist() == [CLASSES.index(c) for c in "aaaaaaab"]
    assert set(whole_batches) <= {1, 8}, "tried with one, then whole batches"


def test_two_random_maps_of_a_chain_draw_apart(tmp_path: Path) -> None:
    frozen, plain, twice = numbered(tmp_path), {}, {}
    for found, maps in ((plain, None), (twice, (flip(), flip()))):
        for images, _ in frozen.numpy(8, shuffle=False, map=maps):
            found.update(enumerate(images, len(found)))
    mirrored = sum(bool((plain[n] != twice[n]).any()) for n in plain)
    assert 30 < mirrored < 70, "else each flip would undo the other"


def test_a_map_that_breaks_rows_is_named(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    with pytest.raises(InputError, match=r"returned \[1, 2\] rows for 1; expected as many"):
        next(iter(frozen.numpy(8, map=arrays(lambda x, y: (np.concatenate([x, x]), y)))))
    for one in (lambda x, y: x, batched(lambda x, y: x)):
        with pytest.raises(InputError, match="'<lambda>' returned ndarray; expected a pair"):
            next(iter(frozen.numpy(8, map=one)))


def test_kept_rows_are_prepared_once(tmp_path: Path) -> None:
    frozen, seen = numbered(tmp_path), []

    def count(images: Any, targets: Any) -> Any:
        seen.extend(number_of(images))
        return images.astype(np.float32), targets

    batches = frozen.numpy(8, cache=arrays(count, rowwise=True), map=flip())
    plain = frozen.numpy(8, map=(arrays(lambda x, y: (x.astype(np.float32), y)), flip()))
    for _ in range(3):
        for (mine, classes), (theirs, expected) in zip(batches, plain, strict=True):
            assert (mine == theirs).all()
            assert (classes == expected).all()
    assert sorted(seen) == list(range(100))
    assert numbers(frozen.numpy(8, cache=True)) == numbers(frozen.numpy(8))
    with pytest.raises(InputError, match="would repeat one random draw in every epoch"):
        frozen.numpy(8, cache=noise())


def test_a_cache_keeps_text(tmp_path: Path) -> None:
    def named(images: Any, classes: Any) -> Any:
        return images, np.array([CLASSES[c] for c in classes], object)

    frozen = numbered(tmp_path)
    found = [
        name for _, names in frozen.numpy(8, cache=arrays(named, rowwise=True)) for name in names
    ]
    assert found == [CLASSES[c] for _, classes in frozen.numpy(8) for c in classes]


def test_a_cache_is_of_maps_that_keep_each_row(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    first = arrays(lambda x, y: (x[:1], y[:1]), rowwise=True)
    with pytest.raises(InputError, match=r"returned \[1\] rows for 7; expected as many"):
        list(frozen.numpy(8, cache=first))
    with pytest.raises(InputError, match="which rows share a batch; expected a map"):
        frozen.numpy(8, cache=arrays(lambda x, y: (x - x.max(), y)))
    with pytest.raises(InputError, match="cache 'memory'; expected True, False or a map"):
        frozen.numpy(8, cache="memory")
    with pytest.raises(InputError, match="add weights with map="):
        frozen.numpy(8, cache=arrays(lambda x, y: (x, y, y), rowwise=True))


def two_inputs(images: Any, classes: Any) -> Any:
    """For one row and for many: two inputs, a dict of targets and a weight."""
    first = images[..., :1, :1, 0] * 1.0
    return (images, {"first": first}), {"class": classes, "twice": classes * 2}, classes + 1.0


@pytest.mark.parametrize(
    "wrap", [arrays, batched, lambda one: one], ids=["arrays", "batched", "row"]
)
def test_several_inputs_targets_and_weights(tmp_path: Path, wrap: Any) -> None:
    frozen = numbered(tmp_path)

    def swapped(inputs: Any, targets: Any, weights: Any) -> Any:
        return inputs[::-1], targets["twice"], weights * 2

    got = list(frozen.numpy(8, seed=1, map=wrap(two_inputs)))
    for ((images, more), targets, weights), (plain, classes) in zip(
        got, frozen.numpy(8, seed=1), strict=True
    ):
        assert (images == plain).all()
        assert (more["first"][:, 0, 0] == plain[:, 0, 0, 0]).all()
        assert (targets["twice"] == 2 * classes).all()
        assert (weights == classes + 1.0).all()
    (more, images), twice, weights = next(
        iter(frozen.numpy(8, seed=1, map=(wrap(two_inputs), wrap(swapped))))
    )
    assert (more["first"] == got[0][0][1]["first"]).all()
    assert (images == got[0][0][0]).all()
    assert (weights == twice + 2).all()
    with pytest.raises(InputError, match="'flip' is for images"):
        frozen.numpy(8, map=(wrap(two_inputs), flip()))


def test_rows_that_differ_in_what_they_consist_of(tmp_path: Path) -> None:
    def now_and_then(image: Any, target: Any) -> Any:
        return ((image, image) if image[0, 1, 0] % 2 else image), target

    with pytest.raises(InputError, match="a tuple of 2 and an array; expected the same"):
        list(numbered(tmp_path).numpy(8, map=now_and_then))


def test_mixed_shapes_need_a_map_that_makes_them_one(tmp_path: Path) -> None:
    frozen = scattered(tmp_path)
    for maps in (None, flip(), prepared(["grey"]), crop(4, 4), batched(lambda x, y: (x, y))):
        with pytest.raises(InputError, match=r"6 shapes \(6×8×1 uint8, .*add a map that makes"):
            frozen.numpy(8, map=maps)
    with pytest.raises(InputError, match="the cache holds images of one shape"):
        frozen.numpy(8, cache=True)
    ready = prepared(["grey", {"resize": [5, 4]}])
    for options in ({"map": ready}, {"map": (flip(), crop(6, 8), ready)}, {"cache": ready}):
        images = [images for images, _ in frozen.numpy(8, **options)]
        assert {i.shape[1:] for i in images} == {(5, 4, 1)}
        assert sum(len(i) for i in images) == 60
    inputs, targets = frozen.split_rows("train").take(np.arange(60))
    whole = np.concatenate([i for i, _ in frozen.numpy(7, shuffle=False, map=ready)])
    expected = ready(next(_rows(inputs, targets))).inputs
    assert (whole == expected).all()


def _rows(inputs: Any, targets: Any) -> Any:
    from labelmill.feed.maps.base import RowArrays
    from labelmill.feed.order.counter_rng import Draws

    yield RowArrays(inputs, targets, False, Draws(0, 0, np.arange(len(inputs), dtype=np.uint64)))


def test_masks_stay_with_their_images(tmp_path: Path) -> None:
    random, rows = np.random.default_rng(0), []
    for number in range(30):
        image = random.integers(1, 255, (6 + number % 2, 8, 3), np.uint8)
        rows.append(
            image_row(
                number, image, mask_id=f"m{number}", mask_channels=1, mask_dtype="uint8",
                mask=np.ascontiguousarray(image[..., :1]).tobytes(),
            )
        )  # fmt: skip
    frozen = TrainingSet.open(write(tmp_path, rows, About("images", "mask", [])))
    for images, masks in frozen.numpy(4, map=(crop(6, 6), flip(), noise(0))):
        assert (images[..., :1] == masks).all()
        assert images.dtype == masks.dtype == np.uint8
    ready = prepared([{"resize": [12, 4]}])
    images, masks = next(iter(frozen.numpy(4, shuffle=False, map=ready)))
    assert (images.shape, masks.shape) == ((4, 12, 4, 3), (4, 12, 4, 1))
    first = np.frombuffer(rows[0]["mask"], np.uint8).reshape(6, 8, 1)
    assert (masks[0] == first[np.arange(12) // 2][:, [1, 3, 5, 7]]).all(), "nearest, not blended"
    with pytest.raises(
        InputError, match=r"balance draws classes .* target of these rows is 'mask'"
    ):
        frozen.numpy(4, balance=True, map=ready)
    with pytest.raises(InputError, match="class weights of target 'mask'"):
        frozen.class_weights()


def test_several_classes_are_ones_and_zeros(tmp_path: Path) -> None:
    given = [[], ["a"], ["a", "c"], ["b", "c"], ["c"]] * 9
    rows = [
        image_row(n, np.zeros((2, 2, 1), np.uint8), classes=classes)
        for n, classes in enumerate(given)
    ]
    frozen = TrainingSet.open(write(tmp_path, rows, About("images", "classes", CLASSES)))
    found = np.concatenate([t for _, t in frozen.numpy(6, shuffle=False)])
    assert found.dtype == np.float32
    assert found.tolist() == [[float(c in classes) for c in CLASSES] for classes in given]
    assert frozen.class_weights() == pytest.approx({0: 45 / 54, 1: 45 / 27, 2: 45 / 81})


def test_without_target_images_come_alone(tmp_path: Path) -> None:
    rows = [image_row(n, np.full((2, 2, 1), n, np.uint8)) for n in range(10)]
    frozen = TrainingSet.open(write(tmp_path, rows, About("images", "none", [])))
    maps = (flip(), lambda image: image + 1, batched(lambda images: images * 2))
    images = np.concatenate(list(frozen.numpy(4, shuffle=False, map=maps)))
    assert images[:, 0, 0, 0].tolist() == [2 * (n + 1) for n in range(10)]


FEATURES = pa.schema([
    ("age", pa.int32()), ("hours", pa.float64()), ("job", pa.string()), ("rich", pa.bool_()),
    ("seen", pa.timestamp("us", "UTC")), ("raw", pa.binary()),
])  # fmt: skip


def records(root: Path, **last: Any) -> TrainingSet:
    rows = [
        {
            "collection": "c", "record_id": f"{n:03d}", "split": "train", "class": "ab"[n % 2],
            "age": n, "hours": n / 4, "job": f"job {n}", "rich": n % 3 == 0, "seen": n * 10**6,
            "raw": bytes([n]),
        }
        for n in range(50)
    ]  # fmt: skip
    rows[-1] |= last
    return TrainingSet.open(write(root, rows, About("records", "class", ["a", "b"]), FEATURES, 20))


def test_records_are_features_by_name(tmp_path: Path) -> None:
    frozen = records(tmp_path, hours=None, job=None)
    found: list[int] = []
    for features, classes in frozen.numpy(8):
        assert list(features) == FEATURES.names
        ages = features["age"].tolist()
        assert classes.tolist() == [n % 2 for n in ages]
        assert features["seen"].tolist() == [n * 10**6 for n in ages]
        assert features["raw"].tolist() == [bytes([n]) for n in ages]
        assert features["rich"].tolist() == [n % 3 == 0 for n in ages]
        assert features["job"].tolist() == [f"job {n}" if n < 49 else "" for n in ages]
        assert np.isnan(features["hours"][features["age"] == 49]).all()
        found += ages
    assert sorted(found) == list(range(50))
    with pytest.raises(InputError, match="the cache holds images"):
        frozen.numpy(8, cache=True)


def test_text_of_more_than_one_array_can_hold_is_fed(tmp_path: Path) -> None:
    """40 chunks that share 64 MiB: together they were 2.5 GiB, were they put together."""
    chunk = pa.array([f"{n:01024d}" for n in range(1 << 16)])
    table = pa.table({"said": pa.chunked_array([chunk] * 40)})
    features = Features(table, About("records", "none", []))
    rows = np.array([40 * (1 << 16) - 1, 3, 70_000])
    assert [int(text) for text in features.take(rows)["said"]] == [65_535, 3, 70_000 - 65_536]
    assert features.take(rows[:0])["said"].shape == (0,)


def test_a_missing_number_has_nothing_to_stand_for_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'age' \(int32\) has 1 rows without .*coalesce\(age"):
        records(tmp_path, age=None).numpy(8)


def test_a_label_outside_the_class_list_is_reported_before_the_first_batch(tmp_path: Path) -> None:
    about = About("images", "class", ["a", "b"])
    with pytest.raises(InputError, match=r"10 labels are not in the class list .*: c; for example"):
        numbered(tmp_path, about=about).numpy(8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch 0; expected a whole number of at least 1"),
        ({"prefetch": -1}, "prefetch -1"),
        ({"seed": 1.5}, "seed 1.5"),
        ({"repeat": 0}, "repeat 0; expected True, False or a number"),
        ({"map": 3}, "map 3; expected a function"),
        ({"map": ["grey"]}, r"map \['grey'\]; expected a function"),
        ({"split": "dev"}, "split 'dev'; expected one of"),
    ],
)
def test_invalid_arguments(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        numbered(tmp_path).numpy(**({"batch": 8} | options))


def test_no_rows_and_no_batch(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    with pytest.raises(NoData, match="no rows in split 'test', only in train; freeze"):
        frozen.numpy(8, split="test")
    with pytest.raises(
        NoData, match=r"100 rows per epoch .* are fewer than one batch of 128 with drop_remainder"
    ):
        frozen.numpy(128, drop_remainder=True)
    with pytest.raises(NoData, match="0 rows per epoch"):
        frozen.shard(3, 101).numpy(1)

"""A query's rows as a plan: what is read by token, what by id, and what is refused beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError
from labelmill.live.kudu import index as indices
from labelmill.live.kudu import planner
from labelmill.live.kudu.index import PlanIndex
from labelmill.live.kudu.plan import KuduPlan
from labelmill.settings import Settings
from labelmill.store.schema.tables import IMAGES
from tests.helpers.kudu_in_memory import ImagesInMemory
from tests.helpers.plans import ids_of

Make = Callable[..., KuduPlan]
SPARK: Any = None


def images_of(
    count: int, shape: tuple[int, int, int] = (4, 4, 1), dtype: str = "uint8"
) -> dict[str, np.ndarray]:
    return {i: np.full(shape, n % 251, dtype) for n, i in enumerate(ids_of(count))}


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Plans the rows of an answer over images in memory, as if Spark had given it."""

    def make_plan(
        client: ImagesInMemory, answer: pa.Table, target: str = "none", **how: Any
    ) -> KuduPlan:
        rows = answer.sort_by([("collection", "ascending"), ("image_id", "ascending")])
        monkeypatch.setattr(indices, "query_index", lambda *_: PlanIndex(target, (), rows))  # type: ignore[arg-type]
        monkeypatch.setattr(planner, "shared_client", lambda _: client)
        monkeypatch.setattr(planner, "settled_snapshot", lambda _, at: at)
        return planner.make_plan("select …", Settings(), SPARK, 5, **how)

    return make_plan


def answer_of(**collections: list[str]) -> pa.Table:
    keys = [(name, i) for name, ids in collections.items() for i in ids]
    return pa.table(
        {"collection": [name for name, _ in keys], "image_id": [i for _, i in keys]},
        schema=pa.schema([("collection", pa.string()), ("image_id", pa.string())]),
    )


def read_by(tokens: tuple[bytes, ...]) -> list[str]:
    """Ids of the images that tokens read."""
    return [i for token in tokens for _, i in json.loads(token)]


def test_the_units_of_a_plan_cover_its_rows_and_their_tokens_read_them(make: Make) -> None:
    images = images_of(100)
    ids = sorted(images)
    plan = make(ImagesInMemory({"c": images}), answer_of(c=ids), unit_bytes=20 * 16)
    assert [(u.start, u.stop, u.size) for u in plan.units] == [
        (n, n + 20, 320) for n in range(0, 100, 20)
    ]
    for unit in plan.units:
        assert read_by(unit.tokens) == ids[unit.start : unit.stop]
    assert plan.snapshot_ms == 5
    assert plan.index.column_names == ["image_id", "shape"]


def test_a_plan_has_a_unit_for_each_process(make: Make) -> None:
    images = images_of(10)
    client = ImagesInMemory({"c": images})
    assert len(make(client, answer_of(c=sorted(images))).units) == 1
    for parts in (3, 10):
        plan = make(client, answer_of(c=sorted(images)), parts=parts)
        assert sum(len(plan.part(number, parts)) for number in range(parts)) == 10
    with pytest.raises(
        InputError, match="10 images, too few for 11 processes; give parts=10 or less"
    ):
        make(client, answer_of(c=sorted(images)), parts=11)


def test_few_images_of_a_large_collection_are_read_by_id_and_many_by_token(make: Make) -> None:
    images = images_of(100)
    client = ImagesInMemory({"few": images, "many": images})
    few, many = sorted(images)[:24], sorted(images)[:25]
    plan = make(client, answer_of(few=few, many=many))
    assert [unit.collection for unit in plan.units] == ["few", "many"]
    assert plan.units[0].tokens == ()
    assert set(many) <= set(read_by(plan.units[1].tokens))


def test_rows_read_by_id_are_divided_so_that_a_request_stays_small(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "BY_ID_ROWS", 8)
    images = images_of(100)
    plan = make(ImagesInMemory({"c": images}), answer_of(c=sorted(images)[:24]))
    assert [unit.stop - unit.start for unit in plan.units] == [8, 8, 8]
    plan = make(ImagesInMemory({"c": images}), answer_of(c=sorted(images)))
    assert [unit.stop - unit.start for unit in plan.units] == [100]


def test_a_unit_never_has_images_of_two_collections(make: Make) -> None:
    images = images_of(6)
    plan = make(
        ImagesInMemory({"a": images, "b": images}), answer_of(a=sorted(images), b=sorted(images))
    )
    assert [(u.collection, u.start, u.stop) for u in plan.units] == [("a", 0, 6), ("b", 6, 12)]


def test_shapes_are_looked_up_without_reading_pixels(make: Make) -> None:
    small, large = images_of(3), {"z" + i: a for i, a in images_of(2, (5, 6, 3), "uint16").items()}
    client = ImagesInMemory({"c": {**small, **large}})
    plan = make(client, answer_of(c=[*small, *large]))
    found = [str(plan.shapes[code]) for code in plan.index["shape"].to_pylist()]
    assert found == ["4×4×1 uint8"] * 3 + ["5×6×3 uint16"] * 2
    assert sum(unit.size for unit in plan.units) == 3 * 16 + 2 * 180
    assert client.scans == [(IMAGES.name, None)]


def test_images_that_do_not_exist_are_refused(make: Make) -> None:
    images = images_of(5)
    with pytest.raises(InputError, match=r"1 of 6 images.*snapshot 5: c/zzz; join the view images"):
        make(ImagesInMemory({"c": images}), answer_of(c=[*images, "zzz"]))
    with pytest.raises(InputError, match="1 of 1 images"):
        make(ImagesInMemory({}), answer_of(nowhere=["1"]))


def with_masks(images: list[str], masks: list[str], collection: str = "masks") -> pa.Table:
    return pa.table(
        {
            "collection": ["c"] * len(images),
            "image_id": images,
            "mask_collection": [collection] * len(images),
            "mask_id": masks,
        }
    )


def test_masks_have_shapes_of_their_own_and_count_as_bytes_of_a_unit(make: Make) -> None:
    images, masks = images_of(4, (4, 4, 3)), images_of(2)
    one, other = sorted(masks)
    client = ImagesInMemory({"c": images, "masks": masks})
    plan = make(client, with_masks(sorted(images), [other, one, one, other]), "mask")
    assert [str(shape) for shape in plan.image_shapes] == ["4×4×3 uint8"]
    assert [str(shape) for shape in plan.mask_shapes] == ["4×4×1 uint8"]
    assert [unit.size for unit in plan.units] == [4 * (48 + 16)]
    assert plan.index["mask_id"].to_pylist() == [other, one, one, other]


def test_masks_that_do_not_fit_their_images_are_refused(make: Make) -> None:
    images, masks = images_of(2), images_of(1, (4, 5, 1))
    client = ImagesInMemory({"c": images, "masks": masks})
    (mask,) = masks
    with pytest.raises(
        InputError, match=rf"the mask {mask} is 4×5×1 uint8, its image .* \(2 are not"
    ):
        make(client, with_masks(sorted(images), [mask, mask]), "mask")
    with pytest.raises(InputError, match=r"1 of 2 images.*masks/gone"):
        make(client, with_masks(sorted(images), [mask, "gone"]), "mask")

"""Plans as data: they travel to other processes and can be divided among them."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError
from labelmill.feed.rows.pixels import ShapeOf
from labelmill.live.kudu import plan as plans
from labelmill.live.kudu.plan import KuduPlan, size_of
from tests.helpers.plans import epoch_of, order_of, plan_of


def test_a_plan_travels_as_bytes_and_by_pickle() -> None:
    plan = plan_of()
    for copy in (KuduPlan.from_bytes(plan.to_bytes()), pickle.loads(pickle.dumps(plan))):
        assert copy.index.equals(plan.index)
        assert (copy.units, copy.shapes, copy.classes) == (plan.units, plan.shapes, plan.classes)
        assert (copy.parameters, copy.digest) == ({"since": "2026"}, plan.digest)
    for data in (b"", b"no plan at all", plan.to_bytes()[:200]):
        with pytest.raises(InputError, match="not a plan of KuduBatches"):
            KuduPlan.from_bytes(data)


def test_parts_share_the_rows() -> None:
    plan = plan_of()
    parts = [KuduPlan.from_bytes(plan.part(n, 5).to_bytes()) for n in range(5)]
    ids = [i for part in parts for i in part.index["image_id"].to_pylist()]
    assert sorted(ids) == plan.index["image_id"].to_pylist()
    for part in parts:
        assert part.units[0].start == 0
        assert part.units[-1].stop == len(part) == part.index.num_rows
        assert sorted(epoch_of(order_of(part), 0)) == list(range(len(part)))
    tokens = [token for part in parts for unit in part.units for token in unit.tokens]
    assert sorted(tokens) == sorted(token for unit in plan.units for token in unit.tokens)
    assert len({part.digest for part in [*parts, plan]}) == 6
    with pytest.raises(InputError, match=r"12 units cannot be shared by 13.*parts=13"):
        plan.part(0, 13)
    with pytest.raises(InputError, match="shard 5 of 5"):
        plan.part(5, 5)


def test_a_plan_of_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = plan_of().to_bytes()
    monkeypatch.setattr(plans, "FORMAT", 2)
    with pytest.raises(InputError, match="a format other than 2; plan the query again"):
        KuduPlan.from_bytes(data)


def test_a_digest_follows_from_what_is_read_and_not_from_how_it_is_held() -> None:
    plan = plan_of()
    pieces = pa.concat_tables([plan.index.slice(0, 7), plan.index.slice(7)])
    assert replace(plan, index=pieces).digest == plan.digest
    assert replace(plan, sql="select more", parameters={}).digest == plan.digest
    for other in (
        replace(plan, snapshot_ms=6),
        replace(plan, classes=("b", "a")),
        replace(plan, units=plan_of(unit=80).units),
        replace(plan, index=plan.index.slice(1)),
    ):
        assert other.digest != plan.digest


def test_shapes_of_images_and_masks_are_separate() -> None:
    grey, rgb, mask = (
        ShapeOf(4, 4, 1, "uint8"),
        ShapeOf(4, 4, 3, "uint16"),
        ShapeOf(9, 9, 1, "uint8"),
    )
    index = pa.table(
        {
            "image_id": ["1", "2", "3"],
            "shape": pa.array(np.array([1, 0, 1], np.int32)),
            "mask_shape": pa.array(np.array([2, 2, 2], np.int32)),
        }
    )
    plan = replace(plan_of(), shapes=(grey, rgb, mask), index=index, target="mask")
    assert plan.image_shapes == [grey, rgb]
    assert plan.mask_shapes == [mask]
    assert plan.sizes.tolist() == [16, 96, 81]
    assert plan.examples() == {f"{grey}": 1, f"{rgb}": 0, f"{mask} (mask)": 0}
    assert replace(plan, target="none").mask_shapes == []
    assert size_of(rgb) == 96

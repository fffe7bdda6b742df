"""Samples: the condition that draws rows, and the query that is rewritten to use it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from labelmill.sql.sampling import Sample, rewrite_samples

SQL = "select '😀', image_id from images tablesample (10 percent) repeatable (7) where mean > 1"


def sample_in(sql: str, view: str = "images", named: bool = False, share: float = 0.1) -> Sample:
    """The first sample of a view in a query, as the parser would place it."""
    relation = re.search(rf"\b{view}\b", sql, re.IGNORECASE)
    clause = re.search(r"tablesample \([^)]*\)( repeatable \(\d+\))?", sql)
    assert relation
    assert clause
    spans = (relation.start(), relation.end() - 1), (clause.start(), clause.end() - 1)
    return Sample(view, share, 7, *spans, named)


def test_a_sample_is_replaced_in_place_and_nothing_else_changes() -> None:
    sql, views = rewrite_samples(SQL, [sample_in(SQL)], {"images": ("collection", "image_id")})
    assert sql == ("select '😀', image_id from labelmill_sample_0 as `images`   where mean > 1")
    (view,) = views.values()
    assert view.startswith("select * from images where shiftrightunsigned(xxhash64(")
    assert "`collection`, `image_id`, 7L" in view


def test_a_view_with_an_alias_keeps_it() -> None:
    text = "select i.image_id from images tablesample (10 percent) as i"
    sql, _ = rewrite_samples(text, [sample_in(text, named=True)], {"images": ["image_id"]})
    assert sql.split() == ["select", "i.image_id", "from", "labelmill_sample_0", "as", "i"]


def test_several_samples_have_views_of_their_own() -> None:
    text = "select * from images tablesample (10 percent) join truth tablesample (50 percent) t"
    first = sample_in(text)
    start = text.index("truth")
    second = Sample(
        "truth", 0.5, 0, (start, start + 4), (text.rindex("tablesample"), len(text) - 3), named=True
    )
    keys = {"images": ["image_id"], "truth": ["collection", "image_id"]}
    for samples in ([first, second], [second, first]):
        sql, views = rewrite_samples(text, samples, keys)
        names = list(views)
        by_view = {views[name].split()[3]: name for name in names}
        assert sql.split() == (
            f"select * from {by_view['images']} as `images` join {by_view['truth']} t".split()
        )
    assert "tablesample" not in sql


def test_a_query_without_samples_stays_as_it_is() -> None:
    assert rewrite_samples(SQL, [], {}) == (SQL, {})


@pytest.mark.parametrize(
    ("share", "bound"),
    [(0.0, 0), (1.0, 1 << 53), (0.5, 1 << 52), (0.1, 900_719_925_474_099)],
)
def test_a_share_is_a_bound_of_the_hash(share: float, bound: int) -> None:
    condition = replace(sample_in(SQL), share=share).condition(["image_id"])
    assert condition == f"shiftrightunsigned(xxhash64(`image_id`, 7L), 11) < {bound}L"


def test_a_larger_share_of_the_same_seed_contains_the_smaller_one() -> None:
    sample = sample_in(SQL)
    small, large = (
        replace(sample, share=share).condition(["image_id"]).rsplit(" < ", 1)
        for share in (0.1, 0.2)
    )
    assert small[0] == large[0]
    assert int(small[1][:-1]) < int(large[1][:-1])
    assert replace(sample, seed=8).condition(["image_id"]).rsplit(" < ", 1)[0] != small[0]

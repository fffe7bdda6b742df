"""Unknown columns suggest the closest match, however Spark words the error."""

from __future__ import annotations

import pytest

from labelmill.sql.analysis_errors import unknown_column


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("`imageid`", "`image_id`, `images`.`uri`", "'imageid'; expected one of: image_id, uri"),
        ("`imageid`", "`i`.`image_id`, `t`.`image_id`", "expected one of: image_id. Did you mean"),
        ("`i`.`imageid`", "`i`.`image_id`, `i`.`uri`", "Did you mean 'i.image_id'"),
        ("`a``b`", "`a b`", "'a``b'; expected one of: a b"),
        ("`imageid`", "", "expected one of: (none)"),
    ],
)
def test_the_closest_column_is_suggested(name: str, known: str, expected: str) -> None:
    assert expected in str(unknown_column(name, known))

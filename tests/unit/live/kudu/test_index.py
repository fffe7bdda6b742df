"""A query's answer as the index of a plan, or refused before anything is read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from labelmill.errors import InputError, NoData, UnknownName
from labelmill.live.kudu.index import build_index, require_target


def answer(**columns: object) -> pa.Table:
    return pa.table({"collection": ["c", "b", "c"], "image_id": ["2", "2", "1"], **columns})


def test_an_answer_is_sorted_by_collection_and_id() -> None:
    index = build_index(answer(**{"class": ["x", "y", "x"]}), "class")
    assert index.rows.to_pylist() == [
        {"collection": "b", "image_id": "2", "class": "y"},
        {"collection": "c", "image_id": "1", "class": "x"},
        {"collection": "c", "image_id": "2", "class": "x"},
    ]
    assert index.classes == ("x", "y")
    several = build_index(answer(classes=[["x"], [], ["z", "x"]]), "classes")
    assert several.classes == ("x", "z")
    assert build_index(answer(), "none").classes == ()
    assert build_index(answer(**{"class": ["x", "y", "x"]}), "class", ["z", "y", "x"]).classes == (
        "z",
        "y",
        "x",
    )


@pytest.mark.parametrize(
    ("table", "classes", "error", "message"),
    [
        (answer(**{"class": ["x", None, "x"]}), None, InputError, "1 of 3 rows have no class"),
        (
            answer(**{"class": ["x", "y", "w"]}),
            ["x"],
            InputError,
            r"not in the class list: 'y' \(1×\)",
        ),
        (
            pa.table({"collection": ["c"] * 3, "image_id": ["1", "2", "1"], "class": ["x"] * 3}),
            None,
            InputError,
            r"more than once: c/1; a join",
        ),
        (
            pa.table({"collection": [], "image_id": [], "class": []}),
            None,
            NoData,
            "the query has no rows",
        ),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(
    table: pa.Table, classes: list[str] | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build_index(table, "class", classes)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (["collection", "image", "class"], UnknownName, r"'image_id'.*Did you mean 'image'"),
        (["image_id", "class"], UnknownName, "'collection'"),
        (["collection", "image_id"], InputError, "nothing to learn.*no_target"),
        (["collection", "image_id", "class", "mask_id"], InputError, "class and mask_id"),
        (["collection", "image_id", "class", "class"], InputError, "class more than once"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(
    columns: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        require_target(columns)


def test_the_target_follows_from_the_columns() -> None:
    for column, target in (("class", "class"), ("classes", "classes"), ("mask_id", "mask")):
        assert require_target(["collection", "image_id", "pixels", column]) == target
    assert require_target(["collection", "image_id"], no_target=True) == "none"


def test_rows_without_an_id_are_refused() -> None:
    table = pa.table({"collection": ["c", "c"], "image_id": ["1", None]})
    with pytest.raises(
        InputError, match="1 of 2 rows have no image_id; add `where image_id is not"
    ):
        build_index(table, "none")


def test_equal_ids_of_different_collections_are_different_images() -> None:
    table = pa.table({"collection": ["c", "d"], "image_id": ["1", "1"]})
    assert build_index(table, "none").rows.num_rows == 2


def test_labels_among_several_that_are_not_in_the_class_list() -> None:
    with pytest.raises(InputError, match=r"'z' \(1×\), 'x' \(1×\); the list is y"):
        build_index(answer(classes=[["y"], [], ["z", "x"]]), "classes", ["y"])

"""A query's answer as an index: order, classes, and every invalid row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError, NoData
from labelmill.training_sets.assembly.index import given_splits, in_order, labels_of
from labelmill.training_sets.histogram import histogram

STRINGS = pa.list_(pa.string())


def _rows(
    *rows: tuple[Any, ...], target: str = "class", type: pa.DataType | None = None
) -> pa.Table:
    schema = pa.schema([
        ("collection", pa.string()), ("image_id", pa.string()), (target, type or pa.string()),
    ])  # fmt: skip
    return pa.Table.from_pylist([dict(zip(schema.names, r, strict=True)) for r in rows], schema)


def test_rows_come_in_order_of_collection_and_id_however_they_arrived() -> None:
    mixed = pa.concat_tables([
        _rows(("b", "1", "x"), ("a", "2", "y")), _rows(("a", "10", "z"), ("b", "0", "w")),
    ])  # fmt: skip
    found = in_order(mixed, "image_id")
    assert found["class"].to_pylist() == ["z", "y", "w", "x"]


def test_no_rows_no_key_and_one_key_twice() -> None:
    with pytest.raises(NoData, match="no rows; look at what is there"):
        in_order(pa.table({}), "image_id")
    with pytest.raises(InputError, match="1 of 2 rows have no image_id"):
        in_order(_rows(("a", None, "x"), ("a", "1", "y")), "image_id")
    many = [("a", str(n % 4), "x") for n in range(9)]
    with pytest.raises(InputError, match=r"more than once: a/0 \(3×\), a/1 \(2×\), a/2 \(2×\);"):
        in_order(_rows(*many), "image_id")
    in_order(_rows(("a", "1", "x"), ("b", "1", "x")), "image_id")


def test_classes_are_those_that_occur_or_those_of_the_list() -> None:
    rows = _rows(("a", "1", "dog"), ("a", "2", "cat"), ("a", "3", "dog"))
    labels = labels_of(rows, "class", None, "image_id")
    assert (labels.classes, labels.codes.tolist()) == (["cat", "dog"], [1, 0, 1])
    listed = labels_of(rows, "class", ("dog", "eel", "cat"), "image_id")
    assert (listed.classes, listed.codes.tolist()) == (["dog", "eel", "cat"], [0, 2, 0])


def test_a_label_outside_the_list_names_its_rows() -> None:
    rows = _rows(*(("a", str(n), "cat" if n < 2 else "bat") for n in range(7)))
    with pytest.raises(
        InputError, match=r"'bat' \(5×\), of a/2, a/3, a/4 and others; the list is dog, cat"
    ):
        labels_of(rows, "class", ("dog", "cat"), "image_id")
    several = _rows(
        ("a", "1", []), ("a", "2", ["cat", "dog"]), ("a", "3", ["dog", "owl"]),
        target="classes", type=STRINGS,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"'owl' \(1×\), of a/3; the list is cat, dog"):
        labels_of(several, "classes", ("cat", "dog"), "image_id")


def test_rows_of_the_same_classes_share_a_number() -> None:
    rows = _rows(
        ("a", "1", ["x", "y"]), ("a", "2", []), ("a", "3", ["x"]), ("a", "4", ["x", "y"]),
        target="classes", type=STRINGS,
    )  # fmt: skip
    labels = labels_of(rows, "classes", None, "image_id")
    assert labels.classes == ["x", "y"]
    assert labels.codes[0] == labels.codes[3]
    assert len(set(labels.codes.tolist())) == 3


def test_rows_without_a_target_are_counted() -> None:
    with pytest.raises(InputError, match="1 of 2 rows have no class; join the view truth"):
        labels_of(_rows(("a", "1", None), ("a", "2", "x")), "class", None, "image_id")
    masks = _rows(("a", "1", None), target="mask_id")
    with pytest.raises(InputError, match="1 of 1 rows have no mask_id"):
        labels_of(masks, "mask", None, "image_id")


def test_splits_are_words_of_ours_or_null() -> None:
    words = pa.chunked_array([["train", None], ["test", "validation"]])
    assert given_splits(words).tolist() == [1, -1, 0, 2]
    with pytest.raises(InputError, match=r"splits \['dev', 'eval'\]; expected test, train"):
        given_splits(pa.chunked_array([["dev", "train", "eval", None]]))


def test_a_histogram_counts_rows_or_each_of_their_classes() -> None:
    splits = np.array([0, 1, 1], np.int8)
    one = _rows(("a", "1", "x"), ("a", "2", "y"), ("a", "3", "y"))
    assert histogram(one, "class", splits) == {"test": {"x": 1}, "train": {"y": 2}}
    several = _rows(
        ("a", "1", []), ("a", "2", ["x", "y"]), ("a", "3", ["y"]), target="classes", type=STRINGS
    )
    assert histogram(several, "classes", splits) == {"test": {}, "train": {"x": 1, "y": 2}}
    assert histogram(one, "none", splits) == {"test": {"": 1}, "train": {"": 2}}

"""A query's result as an index: checked and sorted, each row with its class and split.

Works on keys and targets alone, before any pixels are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError, NoData
from labelmill.feed.files.columns import Target

SHOWN = 3
"""Rows named by an error."""


@dataclass(frozen=True)
class Labels:
    """Classes of rows.

    Attributes:
        classes: In the order of class indices; empty when the target is not a class.
        codes: ``(N,)`` class index of each row; for rows with several classes, a number that
            is equal for equal sets; zeros when the target is not a class.
    """

    classes: list[str]
    codes: npt.NDArray[np.int32]


def in_order(answer: pa.Table, key: str) -> pa.Table:
    """Rows sorted by collection and key, in one chunk.

    Args:
        answer: Result of `labelmill.pipelines.freeze.query_schema.asked`.
        key: ``image_id`` or ``record_id``.

    Raises:
        NoData: No rows.
        InputError: Rows without key, or duplicate keys.
    """
    if not len(answer):
        where = "images" if key == "image_id" else "records"
        raise NoData(
            "the slice has no rows; look at what is there with "
            f'labelmill sql "select collection, count(*) from {where} group by collection"'
        )
    for name in ("collection", key):
        if missing := answer[name].null_count:
            raise InputError(
                f"{missing:,} of {len(answer):,} rows have no {name}; add `where {name} is not null`, or "
                "use an inner join"
            )
    order = pc.sort_indices(
        answer.select(["collection", key]),
        sort_keys=[("collection", "ascending"), (key, "ascending")],
    )
    rows = answer.take(order).combine_chunks()
    _refuse_twice(rows, key)
    return rows


def labels_of(rows: pa.Table, target: Target, class_list: Sequence[str] | None, key: str) -> Labels:
    """The classes of sorted rows.

    Raises:
        InputError: Rows without target, or with a class that is not in the list; names some of them.
    """
    column = {"class": "class", "classes": "classes", "mask": "mask_id"}.get(target)
    if column is None:
        return Labels([], np.zeros(len(rows), np.int32))
    values = rows[column].combine_chunks()
    if values.null_count:
        what = {"class": "class", "classes": "classes", "mask_id": "mask_id"}[column]
        raise InputError(
            f"{values.null_count:,} of {len(rows):,} rows have no {what}; "
            + (
                "join the view truth with an inner join, or add `where class is not null`"
                if target == "class"
                else f"add `where {column} is not null`"
            )
        )
    if target == "mask":
        return Labels([], np.zeros(len(rows), np.int32))
    each = values if target == "class" else values.flatten()
    classes = sorted(pc.unique(each).to_pylist()) if class_list is None else list(class_list)
    codes = pc.index_in(each, value_set=pa.array(classes, pa.string()))
    if codes.null_count:
        _refuse_unlisted(rows, values, each, codes, classes, key)
    if target == "classes":
        # Each set of classes becomes one number: rows with equal sets form one stratum.
        joined = pc.binary_join(values.cast(pa.list_(pa.string())), "\0")
        codes = joined.dictionary_encode().indices
    return Labels(classes, codes.to_numpy(zero_copy_only=False).astype(np.int32))


def given_splits(values: pa.ChunkedArray) -> npt.NDArray[np.int8]:
    """Splits as indices into ``SPLITS``, -1 where none is given.

    Raises:
        InputError: An unknown split.
    """
    unknown = sorted(set(pc.unique(values).to_pylist()) - {None, *SPLITS})
    if unknown:
        raise InputError(
            f"the query returns splits {unknown}; expected {', '.join(SPLITS)} or null"
        )
    codes = pc.fill_null(pc.index_in(values, value_set=pa.array(SPLITS)), -1)
    found: npt.NDArray[np.int8] = codes.to_numpy().astype(np.int8)
    return found


def shown_rows(rows: pa.Table, key: str, positions: npt.NDArray[np.intp]) -> str:
    """The first few of the given rows, for an error message."""
    first = positions[:SHOWN].tolist()
    named = [f"{rows['collection'][i]}/{str(rows[key][i])[:12]}" for i in first]
    return ", ".join(named) + (" and others" if len(positions) > SHOWN else "")


def _refuse_twice(rows: pa.Table, key: str) -> None:
    ids, collections = rows[key].combine_chunks(), rows["collection"].combine_chunks()
    same = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.equal(collections[1:], collections[:-1]))
    again = np.flatnonzero(same.to_numpy(zero_copy_only=False))
    if len(again):
        what = "images" if key == "image_id" else "records"
        named: dict[str, int] = {}
        for i in again.tolist():
            name = f"{collections[i]}/{str(ids[i])[:12]}"
            if name not in named and len(named) == SHOWN:
                break
            named[name] = named.get(name, 1) + 1
        shown = ", ".join(f"{name} ({times}×)" for name, times in named.items())
        raise InputError(
            f"the slice holds {what} more than once: {shown}; a join that matches several rows does "
            "this (the view truth has one class per image)"
        )


def _refuse_unlisted(
    rows: pa.Table, values: pa.Array, each: pa.Array, codes: Any, classes: list[str], key: str
) -> None:
    wrong = codes.is_null()
    counts = pc.value_counts(each.filter(wrong)).to_pylist()
    unlisted = ", ".join(f"{c['values']!r} ({c['counts']:,}×)" for c in counts[:SHOWN])
    positions = np.flatnonzero(wrong.to_numpy(zero_copy_only=False))
    if pa.types.is_list(values.type):
        positions = np.unique(np.searchsorted(values.offsets.to_numpy(), positions, "right") - 1)
    raise InputError(
        f"labels that are not in the class list: {unlisted}{' and others' if len(counts) > SHOWN else ''}, of "
        f"{shown_rows(rows, key, positions)}; the list is {', '.join(classes)}"
    )

"""What must not be torn across splits: images, groups, and whatever they connect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.domain.connected_components import components
from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError

GROUP = "labelmill group"
"""Column that holds the group in an answer; no column of a user's query has this name."""


def groups_of(rows: pa.Table, key: str) -> tuple[pa.ChunkedArray, npt.NDArray[np.int64]]:
    """Names of the units that must stay whole, and the unit of each row.

    An image is the same image in every collection, so it is one unit together with every group that
    contains it; a record's id belongs to its collection. A unit of several groups is named after the
    first of them.
    """
    ids = rows[key]
    if GROUP in rows.column_names:
        named = pc.coalesce(rows[GROUP].combine_chunks(), ids.combine_chunks())
        if key == "image_id" and len(pc.unique(rows["collection"])) > 1:
            return _connect(named, ids.combine_chunks())
    elif key == "image_id" and len(pc.unique(rows["collection"])) > 1:
        named = ids.combine_chunks()
    else:
        return ids, np.arange(len(rows))
    encoded = named.dictionary_encode()
    return pa.chunked_array([encoded.dictionary]), encoded.indices.to_numpy().astype(np.int64)


def _connect(groups: pa.Array, ids: pa.Array) -> tuple[pa.ChunkedArray, npt.NDArray[np.int64]]:
    """As `groups_of`, for rows that are connected by groups or ids through any number of steps."""
    names = groups.dictionary_encode()
    order = pc.sort_indices(names.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    own = rank[names.indices.to_numpy()]
    images = ids.dictionary_encode().indices.to_numpy()
    # An edge from each row's group to one group of the same image connects all groups of that image.
    one_of_image = np.empty(int(images.max()) + 1, np.int64)
    one_of_image[images] = own
    units = components(len(order), own, one_of_image[images])[own]
    found, positions = np.unique(units, return_inverse=True)
    return pa.chunked_array([names.dictionary.take(pa.array(order[found]))]), positions.reshape(-1)


def source_splits_of(
    names: pa.ChunkedArray,
    units: npt.NDArray[np.int64],
    given: npt.NDArray[np.int8],
    grouped: bool,
) -> npt.NDArray[np.int8]:
    """The split that the source gives to each unit; -1: none."""
    found = np.full(len(names), -1, np.int8)
    with_split = np.flatnonzero(given >= 0)
    found[units[with_split]] = given[with_split]
    wrong = with_split[found[units[with_split]] != given[with_split]]
    if len(wrong):
        unit = int(units[wrong[0]])
        both = sorted({SPLITS[found[unit]], SPLITS[given[wrong[0]]]})
        torn = len(np.unique(units[wrong]))
        raise InputError(
            f"the query puts {'group' if grouped else 'image'} {names[unit].as_py()!r} into {' and '.join(both)}"
            f"{f', and {torn - 1:,} others into two splits as well' if torn > 1 else ''}; "
            + (
                "groups stay whole: leave out split, or do not group"
                if grouped
                else "an image in two splits is both trained and tested on: give it one split"
            )
        )
    return found

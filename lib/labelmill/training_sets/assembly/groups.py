"""What must stay whole when rows are divided: images, groups of them, and what hangs together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError

GROUP = "labelmill group"
"""Column that holds the group in an answer; no column of a user's query has this name."""


def units_of(rows: pa.Table, key: str) -> tuple[pa.ChunkedArray, npt.NDArray[np.int64]]:
    """Names of what must stay whole, and the place of each row's among them.

    An image is the same in every collection, so it is one unit, and so are all groups that it is in;
    a record's id is its collection's own. A unit of several groups is called by the least of them.
    """
    ids = rows[key]
    if GROUP in rows.column_names:
        named = pc.coalesce(rows[GROUP].combine_chunks(), ids.combine_chunks())
        if key == "image_id" and len(pc.unique(rows["collection"])) > 1:
            return _joined(named, ids.combine_chunks())
    elif key == "image_id" and len(pc.unique(rows["collection"])) > 1:
        named = ids.combine_chunks()
    else:
        return ids, np.arange(len(rows))
    encoded = named.dictionary_encode()
    return pa.chunked_array([encoded.dictionary]), encoded.indices.to_numpy().astype(np.int64)


def _joined(groups: pa.Array, ids: pa.Array) -> tuple[pa.ChunkedArray, npt.NDArray[np.int64]]:
    """As `units_of`, of rows that hang together by a group or by an id, however many of them between."""
    names = groups.dictionary_encode()
    order = pc.sort_indices(names.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    units = rank[names.indices.to_numpy()]
    own, images = units, ids.dictionary_encode().indices.to_numpy()
    while True:
        before, least = units, np.full(len(order), len(order), np.int64)
        np.minimum.at(least, own, units)
        # Twice: a unit is a name itself, so long chains shrink by halves.
        units = least[least][own]
        least = np.full(int(images.max()) + 1, len(order), np.int64)
        np.minimum.at(least, images, units)
        units = least[images]
        if (units == before).all():
            break
    found, places = np.unique(units, return_inverse=True)
    return pa.chunked_array([names.dictionary.take(pa.array(order[found]))]), places.reshape(-1)


def given_of(
    names: pa.ChunkedArray,
    units: npt.NDArray[np.int64],
    given: npt.NDArray[np.int8],
    grouped: bool,
) -> npt.NDArray[np.int8]:
    """The given split of each unit."""
    found = np.full(len(names), -1, np.int8)
    told = np.flatnonzero(given >= 0)
    found[units[told]] = given[told]
    wrong = told[found[units[told]] != given[told]]
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
                else "an image in two splits is learned and then asked for: give it one split"
            )
        )
    return found

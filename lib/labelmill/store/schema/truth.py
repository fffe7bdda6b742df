"""The rule that turns annotations into one true class per image: as SQL, and over Arrow columns.

People take precedence over imports; of people, the latest annotation counts (at the same instant: the
source that sorts last). Imports count if all of them agree; an image whose imports disagree and
that no person has annotated has no truth, and is listed in ``truth_conflicts``. A test compares both
forms of the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelmill.domain.images.corrections import PERSON
from labelmill.store.schema.tables import ANNOTATIONS

if TYPE_CHECKING:
    import pyarrow as pa

READS = ("image_id", "source", "class", "annotated_at")
"""Columns of `annotations` that `truth_of` needs."""

# One scan and one aggregation: a self-join would read `annotations` twice. Ids come first in the
# grouping: Spark sorts by it, and rows of one collection do not differ in its name.
_GATHERED = f"""
SELECT collection, image_id,
    max(CASE WHEN source LIKE '{PERSON}%' THEN struct(annotated_at, source, class) END) AS person,
    min(CASE WHEN source NOT LIKE '{PERSON}%' THEN class END) AS class_low,
    max(CASE WHEN source NOT LIKE '{PERSON}%' THEN class END) AS class_high,
    min(CASE WHEN source NOT LIKE '{PERSON}%' THEN source END) AS import_source,
    sort_array(collect_set(CASE WHEN source NOT LIKE '{PERSON}%' THEN class END)) AS classes,
    sort_array(collect_set(CASE WHEN source NOT LIKE '{PERSON}%' THEN source END)) AS sources
FROM {ANNOTATIONS.name}
GROUP BY image_id, collection
"""

TRUTH = f"""
SELECT collection, image_id,
    coalesce(person.class, class_low) AS class,
    coalesce(person.source, import_source) AS source
FROM ({_GATHERED})
WHERE person IS NOT NULL OR class_low = class_high
"""
"""View ``truth(collection, image_id, class, source)``."""

CONFLICTS = f"""
SELECT collection, image_id, classes, sources
FROM ({_GATHERED})
WHERE person IS NULL AND class_low <> class_high
"""
"""View ``truth_conflicts(collection, image_id, classes array, sources array)``."""

VIEWS = {"truth": TRUTH, "truth_conflicts": CONFLICTS}
"""View name → SQL over the view ``annotations``."""


def truth_of(annotations: pa.Table) -> pa.Table:
    """Computes the view ``truth`` of one collection, without Spark.

    Args:
        annotations: Columns `READS` of all annotations of the collection, or of some of its images.

    Returns:
        ``image_id``, ``class``, ``source``, in no particular order.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = annotations["image_id"].combine_chunks().dictionary_encode()
    own, images = ids.indices.to_numpy(zero_copy_only=False), len(ids.dictionary)
    class_names, classes = _ranked(annotations["class"])
    source_names, sources = _ranked(annotations["source"])
    people = pc.starts_with(source_names, PERSON).to_numpy(zero_copy_only=False)[sources]
    imported = np.flatnonzero(~people)
    low = np.full(images, len(class_names), np.int64)
    high = np.full(images, -1, np.int64)
    source = np.full(images, len(source_names), np.int64)
    np.minimum.at(low, own[imported], classes[imported])
    np.maximum.at(high, own[imported], classes[imported])
    np.minimum.at(source, own[imported], sources[imported])
    decided = low == high
    by_people = np.flatnonzero(people)
    if len(by_people):
        when = annotations["annotated_at"].combine_chunks().cast("int64").to_numpy()
        # The latest one, by time and then by source, is written last.
        by_people = by_people[np.lexsort((sources[by_people], when[by_people]))]
        low[own[by_people]], source[own[by_people]] = classes[by_people], sources[by_people]
        decided[own[by_people]] = True
    rows = np.flatnonzero(decided)
    return pa.table({
        "image_id": ids.dictionary.take(pa.array(rows)),
        "class": class_names.take(pa.array(low[rows])),
        "source": source_names.take(pa.array(source[rows])),
    })  # fmt: skip


def _ranked(values: Any) -> tuple[Any, npt.NDArray[np.int64]]:
    """Returns the distinct values, in order of their bytes, and the rank of each row's value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    encoded = values.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy(zero_copy_only=False).astype(np.int64)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return encoded.dictionary.take(pa.array(order)), ranks[
        encoded.indices.to_numpy(zero_copy_only=False)
    ]

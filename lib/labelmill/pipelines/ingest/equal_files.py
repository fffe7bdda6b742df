"""Files with the same bytes: the first in order names the image.

Workers of one wave write side by side, so which of two equal files gives an image its ``uri``, split and
attributes is a race. After a wave the driver corrects that, so that a run, a killed run that is repeated
and a run with another number of workers end with the same rows. Of several splits the one that is held
out furthest stays (`labelmill.domain.splits.held_out`). An image that another source brought
earlier keeps what it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.splits.held_out import also_in, in_several
from labelmill.pipelines.ingest.batch import NO_ID, metadata_of
from labelmill.pipelines.ingest.distinct_ids import with_shared_prefix
from labelmill.pipelines.ingest.task import IngestTask
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGES

_AT_ONCE = 500


def fix_equal_files(client: RowClient, task: IngestTask, files: pa.Table, ids: bytes) -> int:
    """Corrects the rows of images that are in a wave more than once.

    Args:
        client: Open client.
        task: The run: collection, label rule, layout of the folders.
        files: The wave, rows of ``FILES``.
        ids: 32 bytes per file, zeros for a bad one.

    Returns:
        Number of rows that were corrected.
    """
    groups = equal_files(ids)
    changed = 0
    for start in range(0, len(groups), _AT_ONCE):
        part = list(groups)[start : start + _AT_ONCE]
        stored: Iterator[dict[str, Any]] = client.scan(
            IMAGES, None, {"collection": task.collection, "image_id": part}
        )
        wrong = []
        for row in stored:
            members = groups[str(row["image_id"])]
            uris = [files["uri"][i].as_py() for i in members]
            expected = _row_of(files, members[0], task)
            splits = [_row_of(files, member, task)["split"] for member in members]
            expected |= in_several(
                {row["split"], *also_in(row["attributes"]), *splits}, expected["attributes"]
            )
            if row["uri"] in uris and any(row[name] != value for name, value in expected.items()):
                wrong.append({**row, **expected})
        changed += client.write(IMAGES, wrong) if wrong else 0
    return changed


def equal_files(ids: bytes) -> dict[str, list[int]]:
    """Image ids that occur more than once, with their positions in order."""
    packed = np.frombuffer(ids, [("a", "<u8"), ("b", "<u8"), ("c", "<u8"), ("d", "<u8")])
    groups: dict[str, list[int]] = {}
    for position in with_shared_prefix(packed["a"]).tolist():
        groups.setdefault(packed[position].tobytes().hex(), []).append(position)
    groups.pop(NO_ID.hex(), None)
    return {image_id: found for image_id, found in groups.items() if len(found) > 1}


def _row_of(files: pa.Table, position: int, task: IngestTask) -> dict[str, Any]:
    """What a file of the wave gives its image."""
    row = files.slice(position, 1).to_pylist()[0]
    _, split, attributes = metadata_of(
        task.label_rule,
        task.layout,
        row["uri"],
        row["class"],
        row["split"],
        row["attributes"],
        row["origin"],
    )
    return {
        "uri": row["uri"],
        "split": split,
        "attributes": attributes,
        "source_time": row["source_time"],
    }

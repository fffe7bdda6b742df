"""Files with the same bytes: the first in order names the image.

Workers of one wave write side by side, so which of two equal files gives an image its ``uri``, split and
attributes is a race. After a wave the driver puts that right, so that a run, a killed run that is run
again and a run with other numbers of workers end with the same rows. An image that another heap brought
before keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from labelmill.domain.images.label_rules import Labelling
from labelmill.pipelines.ingest.distinct_ids import sharing_a_beginning
from labelmill.pipelines.ingest.worker import NO_ID, said_of
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import IMAGES

_AT_ONCE = 500


def settle(
    client: RowClient, collection: str, files: pa.Table, ids: bytes, labelling: Labelling
) -> int:
    """Corrects the rows of images that several files of a wave are.

    Args:
        client: Open client.
        collection: Whose images.
        files: The wave, rows of ``FILES``.
        ids: 32 bytes a file, zeros for a bad one.
        labelling: Where classes and attributes come from.

    Returns:
        Number of rows that were corrected.
    """
    groups = equal_files(ids)
    changed = 0
    for start in range(0, len(groups), _AT_ONCE):
        part = list(groups)[start : start + _AT_ONCE]
        stored = client.scan(IMAGES, None, {"collection": collection, "image_id": part})
        wrong = []
        for row in stored:
            members = groups[str(row["image_id"])]
            uris = [files["uri"][i].as_py() for i in members]
            told = _told(files, members[0], labelling)
            if row["uri"] in uris and any(row[name] != value for name, value in told.items()):
                wrong.append({**row, **told})
        changed += client.write(IMAGES, wrong) if wrong else 0
    return changed


def equal_files(ids: bytes) -> dict[str, list[int]]:
    """Image ids that occur more than once, with their positions in order."""
    packed = np.frombuffer(ids, [("a", "<u8"), ("b", "<u8"), ("c", "<u8"), ("d", "<u8")])
    groups: dict[str, list[int]] = {}
    for place in sharing_a_beginning(packed["a"]).tolist():
        groups.setdefault(packed[place].tobytes().hex(), []).append(place)
    groups.pop(NO_ID.hex(), None)
    return {image_id: places for image_id, places in groups.items() if len(places) > 1}


def _told(files: pa.Table, position: int, labelling: Labelling) -> dict[str, Any]:
    row = files.slice(position, 1).to_pylist()[0]
    told: Sequence[str | None] = said_of(
        labelling, row["uri"], row["class"], row["split"], row["attributes"], row["origin"]
    )
    return {
        "uri": row["uri"],
        "split": told[1],
        "attributes": told[2],
        "source_time": row["source_time"],
    }

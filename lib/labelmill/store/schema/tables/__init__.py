"""Every table, declared once: columns, key, partitioning, encoding, comment; a module per subject.

Tables are created from here (`labelmill.store.drivers`), registered as SQL views
(`labelmill.store.spark`) and documented (`docs/reference/tables.md`).
"""

from __future__ import annotations

from labelmill.errors import UnknownName
from labelmill.store.schema.tables.images import (
    ANNOTATION_LOG,
    ANNOTATIONS,
    CELL_BYTES,
    CHUNK_BYTES,
    IMAGE_CHUNKS,
    IMAGES,
    LABELS,
    QUARANTINE,
    RECORDS,
)
from labelmill.store.schema.tables.models import (
    ALIASES,
    COMPARISONS,
    EVALUATIONS,
    MODEL_CHUNKS,
    MODELS,
)
from labelmill.store.schema.tables.profiles import PROFILES
from labelmill.store.schema.tables.streams import STREAM_BATCHES
from labelmill.store.schema.tables.texts import TEXT_PARTS
from labelmill.store.schema.tables.training import (
    SWEEPS,
    TRAINING_SETS,
    TRIAL_METRICS,
    TRIALS,
    VERSION_RESERVATIONS,
)
from labelmill.store.schema.tables.versions import SCHEMA_VERSIONS
from labelmill.store.schema.types import Table

__all__ = [
    "ALIASES",
    "ANNOTATIONS",
    "ANNOTATION_LOG",
    "CELL_BYTES",
    "CHUNK_BYTES",
    "COMPARISONS",
    "EVALUATIONS",
    "IMAGES",
    "IMAGE_CHUNKS",
    "LABELS",
    "MODELS",
    "MODEL_CHUNKS",
    "PROFILES",
    "QUARANTINE",
    "RECORDS",
    "SCHEMA_VERSIONS",
    "STREAM_BATCHES",
    "SWEEPS",
    "TABLES",
    "TEXT_PARTS",
    "TRAINING_SETS",
    "TRIALS",
    "TRIAL_METRICS",
    "VERSION_RESERVATIONS",
    "table",
]

TABLES: dict[str, Table] = {
    declared.name: declared
    for declared in (
        IMAGES,
        IMAGE_CHUNKS,
        ANNOTATIONS,
        ANNOTATION_LOG,
        LABELS,
        RECORDS,
        QUARANTINE,
        TRAINING_SETS,
        SWEEPS,
        VERSION_RESERVATIONS,
        TRIALS,
        TRIAL_METRICS,
        MODELS,
        MODEL_CHUNKS,
        ALIASES,
        EVALUATIONS,
        COMPARISONS,
        STREAM_BATCHES,
        PROFILES,
        TEXT_PARTS,
        SCHEMA_VERSIONS,
    )
}


def table(name: str) -> Table:
    """Returns the declaration of the table called ``name``.

    Raises:
        UnknownName: No such table.
    """
    if name not in TABLES:
        raise UnknownName("table", name, TABLES)
    return TABLES[name]

"""Key columns of each view."""

from __future__ import annotations

from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.truth import VIEWS

KEYS: dict[str, tuple[str, ...]] = {
    **{name: table.key for name, table in TABLES.items()},
    **dict.fromkeys(VIEWS, ("collection", "image_id")),
}
"""View → its key."""

TEXT_KEYS = frozenset(
    column.name
    for table in TABLES.values()
    for column in table.columns
    if column.key and column.type == "string"
)
"""Key columns that are text; in no table is one of them a number."""

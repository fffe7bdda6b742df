"""Key columns of each view."""

from __future__ import annotations

from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.truth import VIEWS

KEYS: dict[str, tuple[str, ...]] = {
    **{name: table.key for name, table in TABLES.items()},
    **dict.fromkeys(VIEWS, ("collection", "image_id")),
}
"""View → its key."""

KEY_COLUMNS = frozenset(name for key in KEYS.values() for name in key) - {"collection"}
"""Columns that make an order total; ``collection`` does not, all rows of a collection share it."""

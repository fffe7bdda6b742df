"""Key columns that several tables share."""

from __future__ import annotations

from labelmill.store.schema.types import Column, Type


def key(name: str, comment: str, type: Type = "string", packed: bool = False) -> Column:
    """A key column; see `Column`."""
    return Column(name, type, comment, key=True, packed=packed)


COLLECTION = key("collection", "name of the collection")
IMAGE_ID = key("image_id", "SHA-256 (hex) of the source file's bytes", packed=True)

"""Image ids and their beginnings, looked up in the catalogue."""

from __future__ import annotations

from collections.abc import Iterable

from labelmill.store.client import RowClient
from labelmill.store.reading.id_index import BY_ID_ROWS
from labelmill.store.schema.conditions import Between
from labelmill.store.schema.tables import IMAGES

DIGITS = 64
"""Of a whole id."""

FEW = 20
"""Up to so many beginnings are looked up one by one; more are looked for in one pass over all ids."""

_BEYOND = "g"
"""The first letter after the hex digits."""


def find_images(
    client: RowClient, collection: str, given: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Finds images by their ids or the beginnings of these.

    Args:
        client: Open client.
        collection: Of the images.
        given: Lower-case hex digits.

    Returns:
        Each that was given → the ids that it stands for: none, one, or the first two of several.
    """
    named = set(given)
    whole = sorted(one for one in named if len(one) == DIGITS)
    found: dict[str, tuple[str, ...]] = dict.fromkeys(named, ())
    for start in range(0, len(whole), BY_ID_ROWS):
        chosen = {"collection": collection, "image_id": whole[start : start + BY_ID_ROWS]}
        for row in client.scan(IMAGES, ["image_id"], chosen):
            found[str(row["image_id"])] = (str(row["image_id"]),)
    parts = sorted(one for one in named if len(one) < DIGITS)
    if len(parts) <= FEW:
        for part in parts:
            where = {"collection": collection, "image_id": Between(part, part + _BEYOND)}
            ids = sorted(str(row["image_id"]) for row in client.scan(IMAGES, ["image_id"], where))
            found[part] = tuple(ids[:2])
        return found
    lengths = sorted({len(part) for part in parts})
    for batch in client.scan(IMAGES, ["image_id"], {"collection": collection}).batches():
        for image_id in batch.column("image_id").to_pylist():
            for length in lengths:
                so_far = found.get(image_id[:length])
                if so_far is not None and len(so_far) < 2:
                    found[image_id[:length]] = tuple(sorted((*so_far, image_id)))
    return found


def collections_of(client: RowClient, image: str) -> dict[str, list[str]]:
    """The collections that have an image: name → its ids that begin so."""
    wanted: object = image if len(image) == DIGITS else Between(image, image + _BEYOND)
    found: dict[str, list[str]] = {}
    for row in client.scan(IMAGES, ["collection", "image_id"], {"image_id": wanted}):
        found.setdefault(str(row["collection"]), []).append(str(row["image_id"]))
    return found

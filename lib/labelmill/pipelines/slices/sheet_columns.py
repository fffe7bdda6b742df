"""Which columns of a slice a contact sheet shows, and in which role."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyspark.sql.types import ArrayType, AtomicType, BinaryType, StructType

from labelmill.errors import InputError

IMAGE_FACTS, RECORD_FACTS = 6, 12
"""Most other columns shown beside a picture, and in a table of records."""

_PIXELS = frozenset(
    ("height", "width", "channels", "dtype", "pixels", "thumbnail", "mask_id", "mask_collection")
)


@dataclass(frozen=True)
class SheetColumns:
    """Columns of a slice by their role on a sheet.

    Attributes:
        id: ``image_id`` or ``record_id``.
        label: ``class``, ``classes``, or ``label`` when there is neither; None: no such column.
        split: Whether there is ``split``.
        mask: Whether there is ``mask_id``.
        mask_collection: Whether there is ``mask_collection``.
        facts: Other columns with short values, in the query's order.
    """

    id: str
    label: str | None
    split: bool
    mask: bool
    mask_collection: bool
    facts: tuple[str, ...]

    @property
    def has_pictures(self) -> bool:
        """Whether its rows are images."""
        return self.id == "image_id"

    @property
    def several(self) -> bool:
        """Whether a row may have several classes."""
        return self.label == "classes"


def sheet_columns(schema: StructType) -> SheetColumns:
    """Assigns the columns of a query to their roles.

    Raises:
        InputError: Its rows are neither images nor records; or a column that the sheet needs is
            duplicated or of the wrong type.
    """
    counts = Counter(schema.names)
    ids = [name for name in ("image_id", "record_id") if name in counts]
    if not ids or "collection" not in counts:
        raise InputError(
            "a contact sheet shows images or records: the query must return collection and image_id "
            f"(or record_id); it returns {', '.join(schema.names)}"
        )
    label = next((name for name in ("class", "classes", "label") if name in counts), None)
    used = {ids[0], "collection", "split", label, "mask_id", "mask_collection"}
    for name in used:
        if name is not None and counts[name] > 1:
            raise InputError(f"the query returns the column {name!r} twice; select it once")
    if label is not None and (label == "classes") != isinstance(schema[label].dataType, ArrayType):
        raise InputError(
            f"the column {label!r} is {schema[label].dataType.simpleString()}; expected "
            + ("array<string>" if label == "classes" else "one class per row")
        )
    facts = [
        column.name
        for column in schema
        if column.name not in used | _PIXELS
        and counts[column.name] == 1
        and isinstance(column.dataType, AtomicType)
        and not isinstance(column.dataType, BinaryType)
    ]
    return SheetColumns(
        id=ids[0],
        label=label,
        split="split" in counts,
        mask="mask_id" in counts and ids[0] == "image_id",
        mask_collection="mask_collection" in counts,
        facts=tuple(facts[: IMAGE_FACTS if ids[0] == "image_id" else RECORD_FACTS]),
    )

"""Which columns of a slice a contact sheet shows, and as what."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pyspark.sql.types import ArrayType, AtomicType, BinaryType, StructType

from labelmill.errors import InputError

IMAGE_FACTS, RECORD_FACTS = 6, 12
"""Other columns beside a picture, and in a table of records."""

_PIXELS = frozenset(
    ("height", "width", "channels", "dtype", "pixels", "thumbnail", "mask_id", "mask_collection")
)


@dataclass(frozen=True)
class SheetColumns:
    """Columns of a slice by what they are to a sheet.

    Attributes:
        id: ``image_id`` or ``record_id``.
        klass: ``class``, ``classes``, or ``label`` when there is neither; None: no such column.
        split: Whether there is ``split``.
        mask: Whether there is ``mask_id``.
        mask_collection: Whether there is ``mask_collection``.
        facts: Others that can be written in a few letters, in the query's order.
    """

    id: str
    klass: str | None
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
        return self.klass == "classes"


def sheet_columns(schema: StructType) -> SheetColumns:
    """Decides over the columns of a query.

    Raises:
        InputError: Its rows are neither images nor records; or a column that the sheet needs is
            there twice, or of another type.
    """
    counts = Counter(schema.names)
    ids = [name for name in ("image_id", "record_id") if name in counts]
    if not ids or "collection" not in counts:
        raise InputError(
            "a contact sheet shows images or records: the query must give collection and image_id "
            f"(or record_id); it gives {', '.join(schema.names)}"
        )
    klass = next((name for name in ("class", "classes", "label") if name in counts), None)
    used = {ids[0], "collection", "split", klass, "mask_id", "mask_collection"}
    for name in used:
        if name is not None and counts[name] > 1:
            raise InputError(f"the query gives the column {name!r} twice; name it once")
    if klass is not None and (klass == "classes") != isinstance(schema[klass].dataType, ArrayType):
        raise InputError(
            f"the column {klass!r} is {schema[klass].dataType.simpleString()}; expected "
            + ("array<string>" if klass == "classes" else "one class a row")
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
        klass=klass,
        split="split" in counts,
        mask="mask_id" in counts and ids[0] == "image_id",
        mask_collection="mask_collection" in counts,
        facts=tuple(facts[: IMAGE_FACTS if ids[0] == "image_id" else RECORD_FACTS]),
    )

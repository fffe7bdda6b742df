"""Types of table declarations: columns, types, encodings.

Encodings are explicit because Kudu's defaults are wrong for pixels: raw arrays need PLAIN + LZ4,
low-cardinality strings DICT, integers BITSHUFFLE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labelmill.errors import UnknownName

Type = Literal["string", "binary", "int8", "int32", "int64", "float", "double", "bool", "timestamp"]

_ENCODING: dict[Type, tuple[str, str]] = {
    "string": ("DICT_ENCODING", "LZ4"),
    "binary": ("PLAIN_ENCODING", "LZ4"),
    "int8": ("BIT_SHUFFLE", "NO_COMPRESSION"),
    "int32": ("BIT_SHUFFLE", "NO_COMPRESSION"),
    "int64": ("BIT_SHUFFLE", "NO_COMPRESSION"),
    "float": ("BIT_SHUFFLE", "NO_COMPRESSION"),
    "double": ("BIT_SHUFFLE", "NO_COMPRESSION"),
    "bool": ("RLE", "NO_COMPRESSION"),
    "timestamp": ("BIT_SHUFFLE", "NO_COMPRESSION"),
}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Lower case; Spark SQL cannot use upper-case Kudu columns.
        type: ``timestamp`` is Kudu ``UNIXTIME_MICROS`` (UTC).
        comment: What it holds, with shape, dtype and unit where it is an array or a quantity.
        key: Part of the primary key (then never nullable).
        nullable: May be null.
        packed: Bytes that are already compressed, or unique text: PLAIN without compression for
            binary; PREFIX for strings (sorted ids, hashes, uris).
        long: Text of any length: one that does not fit a cell is stored in ``text_parts``, and the
            cell refers to it (`labelmill.store.records.texts`).
    """

    name: str
    type: Type
    comment: str
    key: bool = False
    nullable: bool = False
    packed: bool = False
    long: bool = False

    @property
    def encoding(self) -> str:
        """Kudu's ``ColumnSchema.Encoding`` name."""
        if self.packed and self.type == "string":
            return "PREFIX_ENCODING"
        return _ENCODING[self.type][0]

    @property
    def compression(self) -> str:
        """Kudu's ``ColumnSchema.CompressionAlgorithm`` name."""
        if self.packed and self.type == "binary":
            return "NO_COMPRESSION"
        return _ENCODING[self.type][1]


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Name of the SQL view; the Kudu table is ``prefix + name``.
        columns: Key columns first, in key order.
        comment: One line for the docs.
        hash_on: Key columns hashed over ``buckets`` tablets; empty for a single tablet.
        version: Schema version, recorded in ``schema_versions`` and checked at every open.
    """

    name: str
    columns: tuple[Column, ...]
    comment: str
    hash_on: tuple[str, ...] = ()
    version: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key columns, in order."""
        return tuple(c.name for c in self.columns if c.key)

    @property
    def range_on(self) -> tuple[str, ...]:
        """Columns of the range partition: none beside a hash, or clients would encode the whole key of
        every row to find its tablet."""
        return () if self.hash_on else self.key

    def column(self, name: str) -> Column:
        """Returns the column called ``name``.

        Raises:
            UnknownName: No such column.
        """
        for c in self.columns:
            if c.name == name:
                return c
        raise UnknownName(f"column of {self.name}", name, [c.name for c in self.columns])

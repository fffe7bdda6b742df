"""A plan of what is read straight from Kudu: which images, in which units, at which snapshot.

A plan is data: it travels to other processes by pickle or as bytes, and can be divided among them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelmill.errors import InputError
from labelmill.feed.files.columns import Target
from labelmill.feed.order.permutation import check_shard
from labelmill.feed.rows.pixels import ShapeOf

FORMAT = 1


@dataclass(frozen=True)
class Unit:
    """Images of one collection that are read together.

    Attributes:
        collection: Their collection.
        start: First row of the index.
        stop: Row after the last.
        size: Bytes of their pixels and masks.
        tokens: Scan tokens of all its images; empty: they are read by id, because the plan has only
            a small share of the collection.
    """

    collection: str
    start: int
    stop: int
    size: int
    tokens: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class KuduPlan:
    """The images of a query, divided into units.

    Attributes:
        sql: The query.
        parameters: Name → text.
        snapshot_ms: Milliseconds since 1970 UTC at which everything is read.
        target: Kind of target.
        classes: In the order of class indices; empty where the target is not a class.
        shapes: All shapes of images and masks; the index has their positions here.
        index: One row per image, sorted by collection and id: ``image_id``, ``shape`` int32, and
            for the target ``class``, ``classes``, or ``mask_collection``, ``mask_id`` and
            ``mask_shape`` int32.
        units: In the order of the index; together they cover it.
    """

    sql: str
    parameters: dict[str, str]
    snapshot_ms: int
    target: Target
    classes: tuple[str, ...]
    shapes: tuple[ShapeOf, ...]
    index: pa.Table
    units: tuple[Unit, ...]

    def __len__(self) -> int:
        """Number of images."""
        return int(self.index.num_rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what is read and in which units: equal plans give equal batches."""
        digest = hashlib.sha256(repr((self.snapshot_ms, self.classes, self.shapes)).encode())
        for unit in self.units:
            digest.update(repr((unit.collection, unit.start, unit.stop)).encode())
        # As one batch, so that the bytes do not depend on the index's chunks.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.index.schema) as writer:
            writer.write_table(self.index.combine_chunks())
        digest.update(sink.getvalue())
        return digest.hexdigest()

    def part(self, number: int, parts: int) -> KuduPlan:
        """One part of the plan, for one of several processes.

        Every row is in exactly one part. Parts consist of whole units, so their lengths differ by
        about one unit.

        Args:
            number: Number of the part, from 0.
            parts: Number of parts.

        Raises:
            InputError: There is no such part, or the plan has fewer units than parts.
        """
        check_shard(number, parts)
        if parts > len(self.units):
            raise InputError(
                f"a plan of {len(self.units)} units cannot be shared by {parts} processes; plan with "
                f"parts={parts}"
            )
        units, pieces, start = [], [], 0
        for unit in self.units[number::parts]:
            rows = unit.stop - unit.start
            pieces.append(self.index.slice(unit.start, rows))
            units.append(replace(unit, start=start, stop=start + rows))
            start += rows
        # A copy: a slice would keep the whole index alive, and pickle it.
        index = pa.concat_tables(pieces).take(pa.array(np.arange(start)))
        return replace(self, index=index.combine_chunks(), units=tuple(units))

    @cached_property
    def image_shapes(self) -> list[ShapeOf]:
        """Shapes of the images."""
        return self._shapes("shape")

    @cached_property
    def mask_shapes(self) -> list[ShapeOf]:
        """Shapes of the masks; none where the target is not a mask."""
        return self._shapes("mask_shape") if self.target == "mask" else []

    def examples(self) -> dict[Any, int]:
        """Each kind of image and mask, described by its shape, → a row of that kind."""
        found: dict[Any, int] = {}
        for column, suffix in (("shape", ""), ("mask_shape", " (mask)")):
            if column in self.index.column_names:
                codes, rows = np.unique(self.index[column].to_numpy(), return_index=True)
                for code, row in zip(codes.tolist(), rows.tolist(), strict=True):
                    found[f"{self.shapes[code]}{suffix}"] = row
        return found

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes of an array of each shape, in the order of `shapes`."""
        return np.array([size_of(shape) for shape in self.shapes], np.int64)

    def _shapes(self, column: str) -> list[ShapeOf]:
        return [self.shapes[code] for code in np.unique(self.index[column].to_numpy())]

    def to_bytes(self) -> bytes:
        """The plan as an Arrow IPC stream.

        On a secured cluster, tokens carry the planner's permission to read these tables for a few
        minutes, so keep a plan as private as the images.
        """
        tokens = [list(unit.tokens) for unit in self.units]
        metadata = {
            "format": FORMAT,
            "sql": self.sql,
            "parameters": self.parameters,
            "snapshot_ms": self.snapshot_ms,
            "target": self.target,
            "classes": self.classes,
            "shapes": self.shapes,
            "units": [{**asdict(unit), "tokens": None} for unit in self.units],
        }
        sink = pa.BufferOutputStream()
        header = pa.table({"tokens": pa.array(tokens, pa.list_(pa.binary()))})
        header = header.replace_schema_metadata({"labelmill.plan": json.dumps(metadata)})
        for table in (header, self.index):
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, data: bytes) -> KuduPlan:
        """Reads a plan from the bytes of `to_bytes`.

        Raises:
            InputError: The bytes are not a plan, or have another format.
        """
        try:
            source = pa.BufferReader(data)
            header = pa.ipc.open_stream(source).read_all()
            index = pa.ipc.open_stream(source).read_all()
            metadata: dict[str, Any] = json.loads((header.schema.metadata or {})[b"labelmill.plan"])
        except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
            raise InputError(
                f"{len(data)} bytes that are not a plan of KuduBatches: {error}"
            ) from None
        if metadata.pop("format", None) != FORMAT:
            raise InputError(f"a plan of a format other than {FORMAT}; plan the query again")
        units = metadata.pop("units")
        tokens = header["tokens"].to_pylist()
        return cls(
            classes=tuple(metadata.pop("classes")),
            shapes=tuple(ShapeOf(*shape) for shape in metadata.pop("shapes")),
            units=tuple(
                Unit(**{**unit, "tokens": tuple(own)})
                for unit, own in zip(units, tokens, strict=True)
            ),
            index=index,
            **metadata,
        )


def size_of(shape: ShapeOf) -> int:
    """Bytes of an array of this shape and dtype.

    Example:
        >>> size_of(ShapeOf(28, 28, 1, "uint16"))
        1568
    """
    return shape.height * shape.width * shape.channels * np.dtype(shape.dtype).itemsize

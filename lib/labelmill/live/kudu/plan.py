"""What is read straight from Kudu, planned once: which images, in which pieces, at which moment.

A plan is data: it goes to other processes by pickle or as bytes, and can be shared out.
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
from labelmill.feed.order.permutation import checked_shard
from labelmill.feed.rows.pixels import ShapeOf

FORMAT = 1


@dataclass(frozen=True)
class Unit:
    """Images of one collection that are read together.

    Attributes:
        collection: Theirs.
        start: First row of the index.
        stop: The row after the last.
        size: Bytes of their pixels, and of their masks.
        tokens: Scan tokens of all its images; empty: they are asked for by id, because most images
            of the collection are not wanted.
    """

    collection: str
    start: int
    stop: int
    size: int
    tokens: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class KuduPlan:
    """A query's images in pieces.

    Attributes:
        sql: The query.
        parameters: Name → text, as they were given.
        snapshot_ms: Milliseconds since 1970 UTC that everything is read at.
        target: What is learned.
        classes: In the order of class indices; empty where the target is no class.
        shapes: All that occur, of images and masks; the index names them by place.
        index: One row an image, sorted by collection and id: ``image_id``, ``shape`` int32, and
            for the target ``class``, ``classes``, or ``mask_collection``, ``mask_id`` and
            ``mask_shape`` int32.
        units: In the order of the index; they cover it.
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
        """SHA-256 (hex) of what is read and in which pieces: equal plans give equal batches."""
        digest = hashlib.sha256(repr((self.snapshot_ms, self.classes, self.shapes)).encode())
        for unit in self.units:
            digest.update(repr((unit.collection, unit.start, unit.stop)).encode())
        # One batch, whose bytes do not depend on how the index was put together.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.index.schema) as writer:
            writer.write_table(self.index.combine_chunks())
        digest.update(sink.getvalue())
        return digest.hexdigest()

    def part(self, number: int, parts: int) -> KuduPlan:
        """One of several parts, for one of several processes.

        Every row is in exactly one part. Parts are whole units, so their lengths differ by about
        one unit.

        Args:
            number: From 0.
            parts: How many there are.

        Raises:
            InputError: No such part, or fewer units than parts.
        """
        checked_shard(number, parts)
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
        # A copy: a slice would take the whole index along.
        index = pa.concat_tables(pieces).take(pa.array(np.arange(start)))
        return replace(self, index=index.combine_chunks(), units=tuple(units))

    @cached_property
    def image_shapes(self) -> list[ShapeOf]:
        """The shapes that images have."""
        return self._shapes("shape")

    @cached_property
    def mask_shapes(self) -> list[ShapeOf]:
        """The shapes that masks have; none where masks are not what is learned."""
        return self._shapes("mask_shape") if self.target == "mask" else []

    def examples(self) -> dict[Any, int]:
        """What images, and their masks, look like; each with a row that looks like that."""
        found: dict[Any, int] = {}
        for column, what in (("shape", ""), ("mask_shape", " (mask)")):
            if column in self.index.column_names:
                codes, rows = np.unique(self.index[column].to_numpy(), return_index=True)
                for code, row in zip(codes.tolist(), rows.tolist(), strict=True):
                    found[f"{self.shapes[code]}{what}"] = row
        return found

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes of an array of each shape, in the order of `shapes`."""
        return np.array([size_of(shape) for shape in self.shapes], np.int64)

    def _shapes(self, column: str) -> list[ShapeOf]:
        return [self.shapes[code] for code in np.unique(self.index[column].to_numpy())]

    def to_bytes(self) -> bytes:
        """The plan as an Arrow IPC stream.

        On a secured cluster, tokens carry the planner's right to read these tables for a few
        minutes: keep a plan as private as the images.
        """
        tokens = [list(unit.tokens) for unit in self.units]
        told = {
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
        held = pa.table({"tokens": pa.array(tokens, pa.list_(pa.binary()))})
        held = held.replace_schema_metadata({"labelmill.plan": json.dumps(told)})
        for table in (held, self.index):
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        return bytes(sink.getvalue())

    @classmethod
    def from_bytes(cls, data: bytes) -> KuduPlan:
        """Reads what `to_bytes` gave.

        Raises:
            InputError: It is no plan, or of another format.
        """
        try:
            source = pa.BufferReader(data)
            held = pa.ipc.open_stream(source).read_all()
            index = pa.ipc.open_stream(source).read_all()
            told: dict[str, Any] = json.loads((held.schema.metadata or {})[b"labelmill.plan"])
        except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
            raise InputError(
                f"{len(data)} bytes that are no plan of KuduBatches: {error}"
            ) from None
        if told.pop("format", None) != FORMAT:
            raise InputError(f"a plan of another format than {FORMAT}; plan the query again")
        units = told.pop("units")
        tokens = held["tokens"].to_pylist()
        return cls(
            classes=tuple(told.pop("classes")),
            shapes=tuple(ShapeOf(*shape) for shape in told.pop("shapes")),
            units=tuple(
                Unit(**{**unit, "tokens": tuple(own)})
                for unit, own in zip(units, tokens, strict=True)
            ),
            index=index,
            **told,
        )


def size_of(shape: ShapeOf) -> int:
    """Bytes of an array of this shape and dtype."""
    return shape.height * shape.width * shape.channels * np.dtype(shape.dtype).itemsize

"""What a query gives to freeze: images or records, and what is learned from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from labelmill.errors import InputError, UnknownName
from labelmill.feed.files.columns import SHAPE, Kind, Target, columns_of, feature_type, key_of
from labelmill.feed.files.target_columns import TARGET_COLUMNS, find_target
from labelmill.settings import Settings
from labelmill.sql.image_columns import TYPES, refuse_twice
from labelmill.store.schema.tables import IMAGES
from labelmill.training_sets.assembly.groups import GROUP

PAYLOAD = (*SHAPE, "pixels")
_SET_OPERATIONS = ("Union", "Intersect", "Except")


@dataclass(frozen=True)
class Wanted:
    """What will be frozen.

    Attributes:
        kind: Images or records.
        target: What is learned.
        columns: Of a frozen row.
        given: Columns of `PAYLOAD` whose values are the query's own; the others come from
            ``images``.
        splits: The query says which split a row is in.
        group_by: The query's column whose equal values stay together.
    """

    kind: Kind
    target: Target
    columns: pa.Schema
    given: frozenset[str]
    splits: bool
    group_by: str | None

    @property
    def key(self) -> str:
        """``image_id`` or ``record_id``."""
        return key_of(self.kind)

    @property
    def features(self) -> list[str]:
        """Names of the features of records."""
        if self.kind == "images":
            return []
        return list(self.columns.names[len(columns_of(self.kind, self.target)) :])


def wanted(
    df: DataFrame, settings: Settings, no_target: bool = False, group_by: str | None = None
) -> Wanted:
    """What a query's columns mean.

    Args:
        df: The query; nothing runs.
        settings: What tables are called.
        no_target: Images or features alone are wanted.
        group_by: A column of the query; default ``group`` where there is one.

    Raises:
        InputError: Neither images nor records; several targets or none; a column twice; a feature
            of a type that is not frozen.
        UnknownName: A column that is needed is not there.
    """
    names = df.columns
    refuse_twice(names)
    kind = _kind(names)
    if "collection" not in names:
        raise UnknownName(
            f"column: rows are told apart by collection and {key_of(kind)}; the query gives",
            "collection",
            names,
        )
    if group_by is not None and group_by not in names:
        raise UnknownName("column to group by; the query gives", group_by, names)
    group = group_by if group_by is not None else "group" if "group" in names else None
    target = _target(names, kind, no_target)
    if target == "classes" and not isinstance(df.schema["classes"].dataType, T.ArrayType):
        raise InputError(
            f"the column classes is {df.schema['classes'].dataType.simpleString()}, expected an array of "
            "strings: collect_set(class), or split(text, ','); one class a row is called class"
        )
    if kind == "images":
        columns = columns_of(kind, target)
        given = frozenset(names) & frozenset(PAYLOAD)
        given -= _from_images(df, settings.table_prefix + IMAGES.name) if given else frozenset()
        return Wanted(kind, target, columns, given, "split" in names, group)
    own = {"collection", "record_id", "split"} | {
        n for n, t in TARGET_COLUMNS.items() if t == target
    }
    # A column that is called group is there to group by; one that was asked for is data as well.
    own |= {"group"} if group_by is None else set()
    features = pa.schema([
        (field.name, feature_type(field.name, _arrow_type(field.dataType)))
        for field in df.schema.fields
        if field.name not in own
    ])  # fmt: skip
    columns = columns_of(kind, target, features)
    return Wanted(kind, target, columns, frozenset(), "split" in names, group)


def asked(df: DataFrame, what: Wanted) -> DataFrame:
    """The query's answer as it is read for a freeze: only columns that are needed, in their types.

    Pixels that lie in ``images`` anyway are not among them: they come from there without Spark.
    """
    columns = [F.col("collection").cast("string"), F.col(what.key).cast("string")]
    if what.splits:
        columns.append(F.col("split").cast("string"))
    if what.group_by is not None:
        columns.append(F.col(f"`{what.group_by}`").cast("string").alias(GROUP))
    if what.target == "class":
        columns.append(F.col("class").cast("string"))
    elif what.target == "classes":
        several = F.array_compact(F.col("classes").cast("array<string>"))
        columns.append(F.array_sort(F.array_distinct(several)).alias("classes"))
    elif what.target == "mask":
        where = "mask_collection" if "mask_collection" in df.columns else "collection"
        columns.append(F.col(where).cast("string").alias("mask_collection"))
        columns.append(F.col("mask_id").cast("string"))
    if what.kind == "images":
        made = [
            F.col(name).cast(TYPES.get(name, "string")).alias(name) for name in sorted(what.given)
        ]
        return df.select(*columns, *made)
    return df.select(*columns, *(F.col(f"`{name}`") for name in what.features))


def _kind(names: list[str]) -> Kind:
    if "image_id" in names:
        return "images"
    if "record_id" in names:
        return "records"
    raise InputError(
        "a query without image_id: a training set is made of images (columns collection and image_id) "
        f"or of records (collection and record_id); the query gives {', '.join(names)}"
    )


def _arrow_type(type: T.DataType) -> pa.DataType:
    try:
        return to_arrow_type(type)
    except TypeError:  # intervals and the like: refused by the name of something else of their kind
        return pa.null()


def _from_images(df: DataFrame, images: str) -> frozenset[str]:
    """Columns of `PAYLOAD` that a query hands on, unchanged and with their key, from ``images``."""
    analyzed = df._jdf.queryExecution().analyzed()
    given = _attributes(analyzed)
    # What a set operation answers has the ids of its first branch, whatever the others hold.
    mixed: set[int] = set()
    for plan in _below(analyzed):
        if plan.getClass().getSimpleName() in _SET_OPERATIONS:
            mixed.update(_attributes(plan).values())
    for leaf in _each(analyzed.collectLeaves()):
        if _table(leaf) != images:
            continue
        has = _attributes(leaf)
        same = {
            name
            for name, attribute in has.items()
            if given.get(name) == attribute and attribute not in mixed
        }
        if same >= {"collection", "image_id"}:
            return frozenset(same) & frozenset(PAYLOAD)
    return frozenset()


def _table(leaf: Any) -> str | None:
    """The name of the Kudu table that a leaf of a plan reads."""
    if leaf.getClass().getSimpleName() != "LogicalRelation":
        return None
    relation = leaf.relation()
    kudu = relation.getClass().getSimpleName() == "KuduRelation"
    return str(relation.tableName()) if kudu else None


def _below(plan: Any) -> Iterator[Any]:
    """A plan and all that it is made of, definitions of its WITH among them."""
    yield plan
    for child in _each(plan.children()):
        yield from _below(child)


def _attributes(plan: Any) -> dict[str, int]:
    return {str(one.name()): int(one.exprId().id()) for one in _each(plan.output())}


def _each(sequence: Any) -> Iterable[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _target(names: list[str], kind: Kind, no_target: bool) -> Target:
    if no_target:
        found = [name for name in TARGET_COLUMNS if name in names]
        if found:
            raise InputError(
                f"the query gives {' and '.join(found)} although no target is wanted (--no-target); "
                "leave out one of the two"
            )
        return "none"
    target = find_target(names)
    if target is None:
        expected = "class, classes or mask_id" if kind == "images" else "class or classes"
        raise UnknownName(
            f"column: the slice needs 'class' (or {expected}: what is to be learned; --no-target for "
            "none); the query gives",
            "class",
            names,
        )
    return target

"""What a query gives to freeze: images or records, and their target."""

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
from labelmill.sql.image_columns import TYPES, refuse_duplicate_columns
from labelmill.store.schema.tables import IMAGES
from labelmill.training_sets.assembly.groups import GROUP

PAYLOAD = (*SHAPE, "pixels")
_SET_OPERATIONS = ("Union", "Intersect", "Except")


@dataclass(frozen=True)
class QuerySchema:
    """What a query will freeze to.

    Attributes:
        kind: Images or records.
        target: Kind of target.
        columns: Schema of a frozen row.
        given: Columns of `PAYLOAD` that the query itself computes; the others come from
            ``images``.
        splits: Whether the query gives the split of each row.
        group_by: Column of the query whose equal values stay in one split.
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


def read_schema(
    df: DataFrame, settings: Settings, no_target: bool = False, group_by: str | None = None
) -> QuerySchema:
    """Reads what a query's columns mean.

    Args:
        df: The query; nothing runs.
        settings: Gives the tables' names.
        no_target: Freeze images or features alone.
        group_by: A column of the query; default: ``group`` where it has one.

    Raises:
        InputError: Neither images nor records; several targets or none; duplicate columns; a
            feature of an unsupported type.
        UnknownName: A required column is missing.
    """
    names = df.columns
    refuse_duplicate_columns(names)
    kind = _kind(names)
    if "collection" not in names:
        raise UnknownName(
            f"column: rows are identified by collection and {key_of(kind)}; the query returns",
            "collection",
            names,
        )
    if group_by is not None and group_by not in names:
        raise UnknownName("column to group by; the query returns", group_by, names)
    group = group_by if group_by is not None else "group" if "group" in names else None
    target = _target(names, kind, no_target)
    if target == "classes" and not isinstance(df.schema["classes"].dataType, T.ArrayType):
        raise InputError(
            f"the column classes is {df.schema['classes'].dataType.simpleString()}, expected an array of "
            "strings: collect_set(class), or split(text, ','); the column for one class per row is called class"
        )
    if kind == "images":
        columns = columns_of(kind, target)
        given = frozenset(names) & frozenset(PAYLOAD)
        given -= _from_images(df, settings.table_prefix + IMAGES.name) if given else frozenset()
        return QuerySchema(kind, target, columns, given, "split" in names, group)
    own = {"collection", "record_id", "split"} | {
        n for n, t in TARGET_COLUMNS.items() if t == target
    }
    # A column named group is only for grouping; a column named by --group-by is also a feature.
    own |= {"group"} if group_by is None else set()
    features = pa.schema([
        (field.name, feature_type(field.name, _arrow_type(field.dataType)))
        for field in df.schema.fields
        if field.name not in own
    ])  # fmt: skip
    columns = columns_of(kind, target, features)
    return QuerySchema(kind, target, columns, frozenset(), "split" in names, group)


def select_columns(df: DataFrame, schema: QuerySchema) -> DataFrame:
    """Selects the columns that a freeze needs, in their types.

    Pixels that are stored in ``images`` anyway are left out: they are read from there without Spark.
    """
    columns = [F.col("collection").cast("string"), F.col(schema.key).cast("string")]
    if schema.splits:
        columns.append(F.col("split").cast("string"))
    if schema.group_by is not None:
        columns.append(F.col(f"`{schema.group_by}`").cast("string").alias(GROUP))
    if schema.target == "class":
        columns.append(F.col("class").cast("string"))
    elif schema.target == "classes":
        several = F.array_compact(F.col("classes").cast("array<string>"))
        columns.append(F.array_sort(F.array_distinct(several)).alias("classes"))
    elif schema.target == "mask":
        where = "mask_collection" if "mask_collection" in df.columns else "collection"
        columns.append(F.col(where).cast("string").alias("mask_collection"))
        columns.append(F.col("mask_id").cast("string"))
    if schema.kind == "images":
        made = [
            F.col(name).cast(TYPES.get(name, "string")).alias(name) for name in sorted(schema.given)
        ]
        return df.select(*columns, *made)
    return df.select(*columns, *(F.col(f"`{name}`") for name in schema.features))


def _kind(names: list[str]) -> Kind:
    if "image_id" in names:
        return "images"
    if "record_id" in names:
        return "records"
    raise InputError(
        "a query without image_id: a training set is made of images (columns collection and image_id) "
        f"or of records (collection and record_id); the query returns {', '.join(names)}"
    )


def _arrow_type(type: T.DataType) -> pa.DataType:
    try:
        return to_arrow_type(type)
    except TypeError:  # intervals and the like: `feature_type` refuses null
        return pa.null()


def _from_images(df: DataFrame, images: str) -> frozenset[str]:
    """Columns of `PAYLOAD` that a query passes on from ``images``, unchanged and with their key."""
    analyzed = df._jdf.queryExecution().analyzed()
    given = _attributes(analyzed)
    # A set operation's output has the attribute ids of its first branch, whatever the others hold.
    mixed: set[int] = set()
    for plan in _walk(analyzed):
        if plan.getClass().getSimpleName() in _SET_OPERATIONS:
            mixed.update(_attributes(plan).values())
    for leaf in _iterate(analyzed.collectLeaves()):
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
    """Name of the Kudu table that a leaf of the plan reads."""
    if leaf.getClass().getSimpleName() != "LogicalRelation":
        return None
    relation = leaf.relation()
    kudu = relation.getClass().getSimpleName() == "KuduRelation"
    return str(relation.tableName()) if kudu else None


def _walk(plan: Any) -> Iterator[Any]:
    """Walks a plan and everything below it, including definitions of WITH."""
    yield plan
    for child in _iterate(plan.children()):
        yield from _walk(child)


def _attributes(plan: Any) -> dict[str, int]:
    return {str(one.name()): int(one.exprId().id()) for one in _iterate(plan.output())}


def _iterate(sequence: Any) -> Iterable[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _target(names: list[str], kind: Kind, no_target: bool) -> Target:
    if no_target:
        found = [name for name in TARGET_COLUMNS if name in names]
        if found:
            raise InputError(
                f"the query returns {' and '.join(found)} but --no-target was given; "
                "leave out one of the two"
            )
        return "none"
    target = find_target(names)
    if target is None:
        expected = "class, classes or mask_id" if kind == "images" else "class or classes"
        raise UnknownName(
            f"column: the slice needs 'class' (or {expected}: what to learn; --no-target for "
            "none); the query returns",
            "class",
            names,
        )
    return target

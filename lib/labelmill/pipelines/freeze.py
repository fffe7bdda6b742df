"""A slice (query + Kudu snapshot) to a training set (files + manifest).

The rows are sorted by (split, collection, image_id) and streamed, partition by partition, to the
driver, which writes the files (decision 0031): the digest then needs no second pass and does not
depend on how Spark had cut the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.splits import FRACTIONS, check_fractions, split_of
from labelmill.errors import InputError, NoData, UnknownName
from labelmill.feed.manifest import SPLITS, Manifest
from labelmill.feed.rows import About, columns_of, image_of, images_of
from labelmill.pipelines import catalogue
from labelmill.pipelines.progress import SparkProgress
from labelmill.pipelines.report import Report
from labelmill.pipelines.shards import write_training_set
from labelmill.pipelines.snapshot import settled
from labelmill.settings import Settings
from labelmill.store.client import RowClient, open_client
from labelmill.store.tables import TRAINING_SETS

COLUMNS = columns_of("images", "class")
NEEDED = tuple(name for name in COLUMNS.names if name != "split")

_TYPES = {"height": "int", "width": "int", "channels": "int", "pixels": "binary"}


def default_sql(collection: str) -> str:
    """All images of a collection that have a truth, split as their source said."""
    return (
        "select i.collection, i.image_id, t.class, i.split, i.height, i.width, i.channels, i.dtype, "
        "i.pixels from images i join truth t on i.collection = t.collection "
        f"and i.image_id = t.image_id where i.collection = {catalogue.literal(collection)}"
    )


def freeze(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    name: str,
    snapshot_ms: int | None = None,
    location: str | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    validation_fraction: float = 0.1,
    salt: str = "",
) -> Report:
    """Freezes a slice.

    Which split a row gets: the query's ``split`` where it is not null; otherwise by stable hash of
    ``image_id`` with `fractions`. When the query gives splits but no row ``validation``,
    `validation_fraction` of the given ``train`` rows become it, by stable hash.

    Args:
        spark: The session.
        settings: Kudu; the folder of training sets.
        sql: A query with the columns `NEEDED`, and ``split`` if wanted; must be repeatable.
        name: What people call it. Equal rows keep the name they were first frozen by; the report
            says so.
        snapshot_ms: Milliseconds since 1970 UTC; default now.
        location: Folder or URI below which the training set goes; default settings.
        fractions: Train, validation, test; sum 1.
        validation_fraction: 0..1 (0: never cut validation off train).
        salt: Another salt, another split.

    Returns:
        The report: ``digest``, ``rows``, ``classes``, ``histogram``, ``location``, ``snapshot_ms``,
        ``already_frozen``.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        UnknownName: A needed column is missing.
        NoData: The slice has no rows.
        InputError: Rows without class, one image twice, unknown splits.
    """
    check_fractions(fractions)
    if not 0 <= validation_fraction < 1:
        raise InputError(f"validation fraction {validation_fraction}; expected 0 to below 1")
    report = Report("freeze_training_set")
    at = settled(snapshot_ms)
    with SparkProgress(spark, f"freeze {name}"), ExitStack() as done:
        client = open_client(settings)
        done.callback(client.close)
        client.ensure(TRAINING_SETS)
        slice_ = typed(catalogue.query(spark, settings, sql, at, repeatable=True), NEEDED)
        if "split" not in slice_.columns:
            slice_ = slice_.withColumn("split", F.lit(None).cast("string"))
        whole = catalogue.with_pixels(slice_, settings, at).persist(StorageLevel.MEMORY_AND_DISK)
        # Read once: looking it over fills the cache, sampling and sorting use it.
        done.callback(whole.unpersist)
        given, classes = _looked_over(whole)
        cut = validation_fraction if given and "validation" not in given else 0.0
        splitting = {
            "fractions": list(fractions),
            "salt": salt,
            "given": sorted(given),
            "validation_from_train": cut,
        }
        divide = partial(divide_batches, fractions=fractions, cut=cut, salt=salt)
        rows = whole.select(*COLUMNS.names).mapInArrow(divide, _ddl())
        described = {
            "name": name,
            "sql": sql,
            "parameters": {},
            "snapshot_ms": at,
            "splitting": splitting,
            "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        root = location or settings.training_set_root()
        manifest, place, there = write_training_set(
            _in_order(rows),
            root,
            About("images", "class", classes),
            described,
            partial(_first_name, client),
        )
        _record(client, manifest, place, name)
    report.put("digest", manifest.digest)
    report.put("name", manifest.name)
    report.put("rows", manifest.rows)
    report.put("classes", classes)
    report.put("splits", {split: sum(h.values()) for split, h in manifest.histogram.items()})
    report.put("location", place)
    report.put("snapshot_ms", at)
    report.put("already_frozen", there)
    report.table("histogram", _histogram_rows(manifest.histogram, classes))
    if manifest.name != name:
        report.note(
            f"these rows are already frozen as {manifest.name!r}: use that name, or the digest "
            f"{manifest.digest[:12]}; there is no training set {name!r}"
        )
    if cut:
        report.note(
            f"the source gives no validation split: {cut:.0%} of its train rows became it, by hash "
            "of image_id (--validation-fraction)"
        )
    missing = [split for split in SPLITS if split not in manifest.histogram]
    if missing:
        report.note(f"no rows in: {', '.join(missing)}")
    return report


def typed(df: DataFrame, needed: tuple[str, ...]) -> DataFrame:
    """The slice with its columns in the types of `COLUMNS`.

    Raises:
        UnknownName: A needed column is missing.
        InputError: The query gives a column twice.
    """
    for name in needed:
        if name not in df.columns:
            raise UnknownName(
                f"column: the slice needs {name!r} (all: {', '.join(needed)}); the query gives",
                name,
                df.columns,
            )
        if df.columns.count(name) > 1:
            raise InputError(f"the query gives the column {name!r} twice; name it once")
    for name in (c for c in COLUMNS.names if c in df.columns):
        df = df.withColumn(name, F.col(f"`{name}`").cast(_TYPES.get(name, "string")))
    return df


def divide_batches(
    batches: Iterator[pa.RecordBatch],
    fractions: tuple[float, float, float],
    cut: float,
    salt: str,
) -> Iterator[pa.RecordBatch]:
    """Runs on executors: gives every row its split.

    Args:
        batches: Columns `COLUMNS`; ``split`` may be null.
        fractions: For rows without a split.
        cut: Share of given ``train`` rows that become ``validation``.
        salt: Of the hash.
    """
    place = COLUMNS.get_field_index("split")
    for batch in batches:
        ids, given = batch.column("image_id").to_pylist(), batch.column("split").to_pylist()
        splits = [_split(i, g, fractions, cut, salt) for i, g in zip(ids, given, strict=True)]
        yield batch.set_column(place, "split", pa.array(splits, pa.string()))


def _split(
    image_id: str, given: str | None, fractions: tuple[float, float, float], cut: float, salt: str
) -> str:
    if given is None:
        return split_of(image_id, fractions, salt)
    if given == "train" and cut:
        return split_of(image_id, (1 - cut, cut, 0.0), salt)
    return given


def _first_name(client: RowClient, digest: str) -> str | None:
    """What the catalogue calls these rows, if it has them."""
    rows = client.scan(TRAINING_SETS, ["name"], {"digest": digest})
    return next((str(row["name"]) for row in rows), None)


def _record(client: RowClient, manifest: Manifest, location: str, asked: str) -> None:
    """The row says what the manifest says, so that the two never disagree.

    A name means the newest of it: what was just frozen by that name. Rows that were asked for by
    another name stay as old as they were.
    """
    now: object = datetime.now(timezone.utc)
    if manifest.name != asked:
        now = next(iter(client.scan(TRAINING_SETS, where={"digest": manifest.digest})))[
            "created_at"
        ]
    row = {
        "digest": manifest.digest,
        "name": manifest.name,
        "sql": manifest.sql,
        "snapshot_ms": manifest.snapshot_ms,
        "location": location,
        "classes": json.dumps(manifest.classes),
        "rows": manifest.rows,
        "histogram": json.dumps(manifest.histogram, sort_keys=True),
        "created_at": now,
    }
    client.write(TRAINING_SETS, [row])


def _looked_over(slice_: DataFrame) -> tuple[set[str], list[str]]:
    """Refuses slices that cannot be learned from.

    Returns:
        The splits that the query gives, and the classes, sorted.
    """
    # Grouped by image first, which is how a join on the image is cut already: one pass finds all.
    images = slice_.groupBy("collection", "image_id").agg(
        F.count("*").alias("rows"), F.max("split").alias("split"), F.min("class").alias("class"),
        F.count("class").alias("classed"),
    )  # fmt: skip
    counts = (
        images.groupBy("split", "class")
        .agg(
            F.sum("rows").alias("rows"),
            F.sum(F.col("rows") - F.col("classed")).alias("without"),
            F.max("rows").alias("most"),
        )
        .collect()
    )
    rows = sum(row["rows"] for row in counts)
    if not rows:
        raise NoData(
            "the slice has no rows; look at what is there with "
            'labelmill sql "select collection, count(*) from images group by collection"'
        )
    without = sum(row["without"] for row in counts)
    if without:
        raise InputError(
            f"{without:,} of {rows:,} rows have no class; join the view truth with an inner join, or "
            "add `where class is not null`"
        )
    given = {row["split"] for row in counts if row["split"] is not None}
    if given - set(SPLITS):
        raise InputError(
            f"the query gives splits {sorted(given - set(SPLITS))}; expected {', '.join(SPLITS)} or null"
        )
    if max(row["most"] for row in counts) > 1:
        twice = images.where("rows > 1").orderBy("collection", "image_id").limit(3).collect()
        shown = ", ".join(f"{r['collection']}/{r['image_id'][:12]} ({r['rows']}×)" for r in twice)
        raise InputError(
            f"the slice holds images more than once: {shown}; a join that matches several rows does "
            "this (the view truth has one class an image)"
        )
    return given, sorted({row["class"] for row in counts})


def _in_order(rows: DataFrame) -> Iterator[pa.RecordBatch]:
    ordered = rows.sort("split", "collection", "image_id")
    packed = ordered.mapInArrow(pack_batches, "ipc binary")  # type: ignore[arg-type]
    # One partition at a time comes to the driver, the next is computed meanwhile.
    for row in packed.toLocalIterator(prefetchPartitions=True):
        with pa.ipc.open_stream(pa.BufferReader(row["ipc"])) as reader:
            for batch in reader:
                _refuse_incomplete(batch)
                yield batch


def pack_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Runs on executors: each batch as one row of Arrow IPC bytes, so that no Row is made of rows."""
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        yield pa.RecordBatch.from_arrays(
            [pa.array([sink.getvalue().to_pybytes()], pa.binary())], ["ipc"]
        )


def _refuse_incomplete(batch: pa.RecordBatch) -> None:
    for name in COLUMNS.names:
        if batch.column(name).null_count:
            where = batch.column(name).is_null().to_pylist().index(True)
            image = batch.column("image_id")[where].as_py()
            raise InputError(
                f"image {image} has no {name}"
                + ("; its chunks are missing, ingest it again" if name == "pixels" else "")
            )
    try:
        images_of(batch)
    except (InputError, TypeError):
        columns = ("image_id", "height", "width", "channels", "dtype")
        rows = zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        for pixels, (image, *shape) in zip(batch.column("pixels"), rows, strict=True):
            try:
                image_of(pixels, *shape)
            except InputError as error:
                raise InputError(f"image {image}: {error}") from None


def _ddl() -> str:
    return ", ".join(f"{name} {_TYPES.get(name, 'string')}" for name in COLUMNS.names)


def _histogram_rows(
    histogram: dict[str, dict[str, int]], classes: list[str]
) -> list[dict[str, object]]:
    return [
        {
            "class": c,
            **{
                split: histogram.get(split, {}).get(c, 0)
                for split in ("train", "validation", "test")
            },
        }
        for c in classes
    ]

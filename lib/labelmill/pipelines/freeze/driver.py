"""Turns a slice (query and Kudu snapshot) into a training set (files and manifest).

Spark, or the row client where it can, answers the query for keys and targets. The driver sorts and
checks them and assigns splits. The pixels of the remaining rows are then read from Kudu into a spool
file, and written from there in the order of the training set (decision 0082).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from functools import partial

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from labelmill.domain.models.learnable import black_note, unseen_note
from labelmill.domain.splits.hashing import SPLITS, SPLITS_SHOWN
from labelmill.errors import InputError
from labelmill.feed.files.columns import About
from labelmill.feed.files.locations import local_path
from labelmill.feed.files.manifest import Manifest
from labelmill.pipelines.freeze.arrays import Images, masks_of
from labelmill.pipelines.freeze.collect import collect_rows
from labelmill.pipelines.freeze.query_schema import QuerySchema, read_schema, select_columns
from labelmill.settings import Settings
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.history import refuse_forgotten_rows
from labelmill.sql.snapshot import resolve_snapshot, wait_for_snapshot
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import TRAINING_SETS
from labelmill.store.spark.errors import spark_errors
from labelmill.training_sets.assembly.assemble import ArrayColumn, assemble_rows
from labelmill.training_sets.assembly.index import given_splits, in_order, labels_of
from labelmill.training_sets.assembly.options import Options
from labelmill.training_sets.assembly.splits import assign_splits
from labelmill.training_sets.assembly.spool import Spool
from labelmill.training_sets.destination import absolute_root, check_writable
from labelmill.training_sets.registry import find_registered, record, refuse_long
from labelmill.training_sets.removal import remove_files
from labelmill.training_sets.writer import Rows, write_training_set


def default_sql(collection: str) -> str:
    """All images of a collection with a true class, with pixels and the split given by their source."""
    return (
        "select i.collection, i.image_id, t.class, i.split, i.height, i.width, i.channels, i.dtype, "
        "i.pixels from images i join truth t on i.collection = t.collection "
        f"and i.image_id = t.image_id where i.collection = {catalogue.literal(collection)}"
    )


def truth_sql(collection: str) -> str:
    """Keys and classes of a collection; with `Options.source_splits` it freezes the same rows as `default_sql`."""
    return (
        "select collection, image_id, class from truth "
        f"where collection = {catalogue.literal(collection)}"
    )


def freeze(
    spark: SparkSession,
    settings: Settings,
    sql: str,
    name: str,
    options: Options | None = None,
    parameters: Mapping[str, str] | None = None,
    snapshot_ms: int | None = None,
    location: str | None = None,
) -> Report:
    """Freezes a slice.

    What a query means and which split a row gets: docs/guides/slices.md.

    Args:
        spark: The session.
        settings: Kudu; the folder of training sets.
        sql: A query with ``collection`` and ``image_id`` or ``record_id``; must be repeatable.
        name: For people. Equal rows keep the name they were first frozen under; the report says
            so.
        options: Splits, groups, balance, classes.
        parameters: Name → text of each ``:parameter`` of the query.
        snapshot_ms: Milliseconds since 1970 UTC; default: now.
        location: Folder or URI below which the training set is written; default: from settings.

    Returns:
        The report: ``digest``, ``rows``, ``kind``, ``target``, ``classes``, ``splits``,
        ``location``, ``snapshot_ms``, ``already_frozen``.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        UnknownName: An unknown view, column or parameter.
        NoData: The slice has no rows.
        InputError: Rows without class, duplicate images, unknown splits, groups in two splits,
            labels that are not in the class list, incomplete pixels, a full disk.
        StoreError: Kudu refused.
    """
    chosen, given = options or Options(), dict(parameters or {})
    root = absolute_root(location or settings.training_set_root())
    refuse_long(name)
    check_writable(root)
    report = Report("freeze_training_set")
    at = resolve_snapshot(snapshot_ms)
    with SparkProgress(spark, f"freeze {name}"), ExitStack() as done:
        # The row client's JVM takes a second to start; Spark plans meanwhile.
        opening = done.enter_context(ThreadPoolExecutor(1)).submit(_open_client, settings, at)
        done.callback(_close_client, opening)
        answered = catalogue.query(
            spark, settings, sql, at, repeatable=True, parameters=given, remembered=True
        )
        schema = read_schema(answered, settings, chosen.no_target, chosen.group_by)
        question = select_columns(answered, schema)
        client = opening.result()
        wait_for_snapshot(at, settings)  # nothing has been read yet
        spool = done.enter_context(Spool(local_path(root) or tempfile.gettempdir()))
        with spark_errors(f"freezing {name}", settings):
            # The unsorted table is not kept: it would double the memory.
            index = in_order(collect_rows(client, question, at, spool), schema.key)
        content, provenance, alike = _assemble(client, index, schema, chosen, at, spool)
        described = {
            "name": name,
            "sql": sql,
            "parameters": given,
            "snapshot_ms": at,
            "splitting": provenance | {"grouped_by": schema.group_by},
            "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        registered = partial(find_registered, client)
        manifest, place, there = write_training_set(content, root, described, registered)
        try:
            record(client, manifest, place, name)
        except BaseException:
            if not there:  # the files would be orphans
                with suppress(InputError):
                    remove_files(place, manifest.digest)
            raise
    if place != f"{root}/{manifest.digest}":
        report.note(f"these rows are already frozen in {place}: nothing was written to {root}")
    _fill_report(report, manifest, place, there, name)
    if alike is not None:
        report.note(alike)
    return report


def _open_client(settings: Settings, at: int) -> RowClient:
    client = open_client(settings)
    try:
        client.ensure(TRAINING_SETS)
        refuse_forgotten_rows(client, TRAINING_SETS, at)
    except BaseException:
        client.close()
        raise
    return client


def _close_client(opening: Future[RowClient]) -> None:
    if opening.exception() is None:
        opening.result().close()


def _assemble(
    client: RowClient, index: pa.Table, schema: QuerySchema, options: Options, at: int, spool: Spool
) -> tuple[Rows, dict[str, object], str | None]:
    """The rows to write, the provenance of their splits, and what is told of images that are alike."""
    labels = labels_of(index, schema.target, options.class_list, schema.key)
    images = Images(client, index, schema, at, spool) if schema.kind == "images" else None
    splits = np.full(len(index), -1, np.int8)
    if schema.splits:
        splits = given_splits(index["split"])
    elif options.source_splits and images is not None:
        splits = images.splits(with_arrays=not options.leaves_out)
    with ExitStack() as beside:
        if images is not None and not options.leaves_out:  # every row stays, whatever its split
            beside.enter_context(images.reading())
        assignment = assign_splits(index, schema.key, schema.target, labels, splits, options)
    arrays: dict[str, ArrayColumn] = {}
    if images is not None:
        if options.leaves_out:
            images.read(np.sort(assignment.order))
        arrays["pixels"] = ArrayColumn(images.arrays, assignment.order)
        if schema.target == "mask":
            named = index.select(["image_id", "mask_collection", "mask_id"])
            rows = named.take(pa.array(assignment.order))
            arrays["mask"] = masks_of(client, rows, arrays["pixels"], at, spool)
    about = About(schema.kind, schema.target, labels.classes)
    content = assemble_rows(
        index, assignment.order, schema.columns, about, assignment.splits, arrays, spool
    )
    pixels = arrays.get("pixels")
    seen = pixels.index.arrays(pixels.positions, spool.view()) if pixels is not None else ()
    return content, assignment.provenance, black_note(seen)


def _fill_report(
    report: Report, manifest: Manifest, place: str, there: bool, asked_for: str
) -> None:
    splits = {split: sum(counts.values()) for split, counts in manifest.histogram.items()}
    if manifest.target == "classes":
        splits = {}
        for shard in manifest.shards:
            splits[shard.split] = splits.get(shard.split, 0) + shard.rows
    for key in ("digest", "name", "rows", "kind", "target", "classes"):
        report.put(key, getattr(manifest, key))
    report.put("splits", splits)
    report.put("location", place)
    report.put("snapshot_ms", manifest.snapshot_ms)
    report.put("already_frozen", there)
    if manifest.classes:
        report.table("histogram", _histogram_rows(manifest.histogram, manifest.classes))
    if manifest.name != asked_for:
        report.note(
            f"these rows are already frozen as {manifest.name!r}: use that name, or the digest "
            f"{manifest.digest[:12]}; there is no training set {asked_for!r}"
        )
    how = manifest.splitting
    if how.get("validation_from_train"):
        report.note(
            f"the source gives no validation split: {how['validation_from_train']:.0%} of its train rows "
            "became it, by hash (--validation-fraction)"
        )
    if how.get("left_out"):
        report.note(f"{how['left_out']:,} rows were left out to downsample classes")
    if how.get("grouped_by"):
        groups = ", ".join(f"{split} {count:,}" for split, count in how["groups"].items())
        report.note(f"grouped by {how['grouped_by']}: {groups} groups, none in two splits")
    if manifest.target == "class" and (unseen := unseen_note(manifest.histogram)) is not None:
        report.note(unseen)
    missing = [split for split in SPLITS if split not in manifest.histogram]
    if missing:
        report.note(f"no rows in: {', '.join(missing)}")


def _histogram_rows(
    histogram: dict[str, dict[str, int]], classes: list[str]
) -> list[dict[str, object]]:
    return [
        {"class": c, **{s: histogram.get(s, {}).get(c, 0) for s in SPLITS_SHOWN}} for c in classes
    ]

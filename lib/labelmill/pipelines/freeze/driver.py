"""A slice (query + Kudu snapshot) to a training set (files + manifest).

Spark answers the query for keys and targets, or says that the row client can. They are put in order, checked and divided on the
driver; then the pixels of the rows that stay are read straight from Kudu into a spool file, and
taken from there in the order of the training set (decision 0082).
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

from labelmill.domain.splits.hashing import SPLITS
from labelmill.errors import InputError
from labelmill.feed.files.columns import About
from labelmill.feed.files.locations import local_path
from labelmill.feed.files.manifest import Manifest
from labelmill.pipelines.freeze.arrays import Images, masks_of
from labelmill.pipelines.freeze.collect import answer
from labelmill.pipelines.freeze.query_schema import Wanted, asked, wanted
from labelmill.settings import Settings
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from labelmill.sql import catalogue
from labelmill.sql.history import refuse_forgotten_rows
from labelmill.sql.snapshot import settle, taken
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.schema.tables import TRAINING_SETS
from labelmill.store.spark.errors import spark_errors
from labelmill.training_sets import destination as training_set_place
from labelmill.training_sets.assembly.assemble import Arrays, rows_of
from labelmill.training_sets.assembly.index import given_splits, in_order, labels_of
from labelmill.training_sets.assembly.options import Options
from labelmill.training_sets.assembly.splits import divided
from labelmill.training_sets.assembly.spool import Spool
from labelmill.training_sets.registry import known_as, record, refuse_long
from labelmill.training_sets.removal import remove_files
from labelmill.training_sets.writer import Rows, write_training_set


def default_sql(collection: str) -> str:
    """All images of a collection that have a truth, with everything, split as their source said."""
    return (
        "select i.collection, i.image_id, t.class, i.split, i.height, i.width, i.channels, i.dtype, "
        "i.pixels from images i join truth t on i.collection = t.collection "
        f"and i.image_id = t.image_id where i.collection = {catalogue.literal(collection)}"
    )


def truth_sql(collection: str) -> str:
    """Keys and classes of a collection; with `Options.source_splits`, what `default_sql` freezes."""
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

    What a query means, and which split a row gets: docs/slices.md.

    Args:
        spark: The session.
        settings: Kudu; the folder of training sets.
        sql: A query with ``collection`` and ``image_id`` or ``record_id``; must be repeatable.
        name: What people call it. Equal rows keep the name they were first frozen by; the report
            says so.
        options: Splits, groups, balance, classes.
        parameters: Name → text of each ``:parameter`` of the query.
        snapshot_ms: Milliseconds since 1970 UTC; default now.
        location: Folder or URI below which the training set goes; default settings.

    Returns:
        The report: ``digest``, ``rows``, ``kind``, ``target``, ``classes``, ``splits``,
        ``location``, ``snapshot_ms``, ``already_frozen``.

    Raises:
        QueryRefused: The query does more than read, or would not answer the same again.
        UnknownName: A view, column or parameter that is not there.
        NoData: The slice has no rows.
        InputError: Rows without class, one image twice, unknown splits, groups in two splits,
            labels that are not in the class list, pixels that are not whole, a full disk.
        StoreError: Kudu refused.
    """
    chosen, given = options or Options(), dict(parameters or {})
    root = training_set_place.absolute(location or settings.training_set_root())
    refuse_long(name, sql)
    training_set_place.check(root)
    report = Report("freeze_training_set")
    at = taken(snapshot_ms)
    with SparkProgress(spark, f"freeze {name}"), ExitStack() as done:
        # The row client's own JVM takes a second to start; meanwhile Spark plans.
        opening = done.enter_context(ThreadPoolExecutor(1)).submit(_opened, settings, at)
        done.callback(_close, opening)
        answered = catalogue.query(
            spark, settings, sql, at, repeatable=True, parameters=given, remembered=True
        )
        what = wanted(answered, settings, chosen.no_target, chosen.group_by)
        question = asked(answered, what)
        client = opening.result()
        settle(at)  # what came before has read nothing
        spool = done.enter_context(Spool(local_path(root) or tempfile.gettempdir()))
        with spark_errors(f"freezing {name}", settings):
            # Not kept as it came: it would be in memory twice.
            index = in_order(answer(client, question, at, spool), what.key)
        content, told = _content(client, index, what, chosen, at, spool)
        described = {
            "name": name,
            "sql": sql,
            "parameters": given,
            "snapshot_ms": at,
            "splitting": told | {"grouped_by": what.group_by},
            "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        named = partial(known_as, client)
        manifest, place, there = write_training_set(content, root, described, named)
        try:
            record(client, manifest, place, name)
        except BaseException:
            if not there:  # files that nobody would find
                with suppress(InputError):
                    remove_files(place, manifest.digest)
            raise
    if place != f"{root}/{manifest.digest}":
        report.note(f"these rows lie in {place} already: nothing was written to {root}")
    _told(report, manifest, place, there, name)
    return report


def _opened(settings: Settings, at: int) -> RowClient:
    client = open_client(settings)
    try:
        client.ensure(TRAINING_SETS)
        refuse_forgotten_rows(client, TRAINING_SETS, at)
    except BaseException:
        client.close()
        raise
    return client


def _close(opening: Future[RowClient]) -> None:
    if opening.exception() is None:
        opening.result().close()


def _content(
    client: RowClient, index: pa.Table, what: Wanted, options: Options, at: int, spool: Spool
) -> tuple[Rows, dict[str, object]]:
    """What will be written, and how its splits came about."""
    labels = labels_of(index, what.target, options.class_list, what.key)
    images = Images(client, index, what, at, spool) if what.kind == "images" else None
    splits = np.full(len(index), -1, np.int8)
    if what.splits:
        splits = given_splits(index["split"])
    elif options.source_splits and images is not None:
        splits = images.splits(with_arrays=not options.leaves_out)
    with ExitStack() as beside:
        if images is not None and not options.leaves_out:  # all rows stay, wherever they go
            beside.enter_context(images.reading())
        division = divided(index, what.key, what.target, labels, splits, options)
    arrays: dict[str, Arrays] = {}
    if images is not None:
        if options.leaves_out:
            images.read(np.sort(division.order))
        arrays["pixels"] = Arrays(images.cells, division.order)
        if what.target == "mask":
            named = index.select(["image_id", "mask_collection", "mask_id"])
            rows = named.take(pa.array(division.order))
            arrays["mask"] = masks_of(client, rows, arrays["pixels"], at, spool)
    about = About(what.kind, what.target, labels.classes)
    content = rows_of(index, division.order, what.columns, about, division.splits, arrays, spool)
    return content, division.told


def _told(report: Report, manifest: Manifest, place: str, there: bool, asked_for: str) -> None:
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
        report.note(f"{how['left_out']:,} rows were left out to make classes smaller")
    if how.get("grouped_by"):
        groups = ", ".join(f"{split} {count:,}" for split, count in how["groups"].items())
        report.note(f"grouped by {how['grouped_by']}: {groups} groups, none in two splits")
    missing = [split for split in SPLITS if split not in manifest.histogram]
    if missing:
        report.note(f"no rows in: {', '.join(missing)}")


def _histogram_rows(
    histogram: dict[str, dict[str, int]], classes: list[str]
) -> list[dict[str, object]]:
    in_order = ("train", "validation", "test")
    return [{"class": c, **{s: histogram.get(s, {}).get(c, 0) for s in in_order}} for c in classes]

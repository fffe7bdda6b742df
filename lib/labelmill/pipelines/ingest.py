"""Files into the catalogue: decode once, then chunks, images, annotations, quarantine.

The heap goes through in waves of bounded size (decision 0030). Each wave is decoded in one Spark
stage and persisted; only then it is written, because nothing long may run in a task that writes to
Kudu. Chunks come before images, so an image that exists is whole; every write is insert-ignore on
deterministic keys. A job that was killed is run again and ends with the same rows.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.errors import AllFailed, InputError, NoData, NotAccepted
from labelmill.pipelines.decode_rows import DECODED_SQL, Decoder
from labelmill.pipelines.known_ids import KnownIds
from labelmill.pipelines.progress import SparkProgress
from labelmill.pipelines.quarantine import Quarantine
from labelmill.pipelines.report import Report
from labelmill.pipelines.sources import Source, Wave
from labelmill.settings import Settings
from labelmill.store import spark as store
from labelmill.store.client import RowClient, open_client
from labelmill.store.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES

_COLLECTION = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
_ROWS_A_TASK = 64
_PIXELS_A_TASK = 16 << 20


@dataclass
class _Counts:
    files: int = 0
    new: int = 0
    known: int = 0
    repeated: int = 0
    annotations: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, str]] = field(default_factory=list)


def ingest(
    spark: SparkSession,
    settings: Settings,
    source: str,
    collection: str,
    limit: int | None = None,
    fail_over: float | None = None,
) -> Report:
    """Brings a heap of PNG files into the catalogue.

    Args:
        spark: The session.
        settings: Kudu, pixel cap.
        source: Folder, ``.tar``, ``.tar.gz``, ``.tgz`` or `pyarrow.fs` URI of a folder; see
            `labelmill.pipelines.sources`.
        collection: Name that the images get; letters, digits, ``_ . -``.
        limit: At most so many files, the first in order.
        fail_over: Per cent of files (0..100) above which quarantined files make the job fail, at
            its end. Whatever the value, all files quarantined is a failure.

    Returns:
        The report: ``files``, ``new``, ``already_there``, ``repeated_in_source`` (files with the
        bytes of an earlier one), ``annotations`` (new), ``conflicts``, ``quarantined``,
        ``quarantined_by_reason``, ``skipped``, ``images_per_second``.

    Raises:
        InputError: No such source, a folder that workers cannot see, a damaged archive, a name
            that cannot be meant.
        NoData: There is no PNG file in the source.
        StoreError: Kudu refused.
    """
    if not _COLLECTION.match(collection):
        raise InputError(
            f"collection {collection!r}: expected letters, digits, '_', '.', '-', at most 100"
        )
    heap = Source(source, limit)
    if heap.total == 0:
        raise _no_images(heap)
    report = Report("ingest_images")
    client = open_client(settings)
    try:
        store.ensure_all(settings, client)
        ingestion = _Ingestion(spark, settings, collection, heap, client)
        with SparkProgress(spark, f"ingest {collection}", unit="files") as progress:
            for wave in heap.waves():
                ingestion.take(wave, progress)
        if not ingestion.counts.files:
            raise _no_images(heap)
        return _reported(report, ingestion, heap, fail_over)
    finally:
        client.close()


class _Ingestion:
    """One run: what is known already, what was counted so far."""

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        collection: str,
        heap: Source,
        client: RowClient,
    ) -> None:
        self._spark, self._settings, self._collection, self._heap = (
            spark,
            settings,
            collection,
            heap,
        )
        self._now = datetime.now(timezone.utc)
        self.counts = _Counts()
        ids = store.read(spark, settings, IMAGES, ["image_id"], F.col("collection") == collection)
        self._known = KnownIds(_arrow(ids)["image_id"].to_pylist())
        self._quarantine = Quarantine(client, collection, self._now)

    def take(self, wave: Wave, progress: SparkProgress) -> None:
        """Decodes one wave, then writes what is new of it."""
        counts = self.counts
        base, total = counts.files, self._heap.total
        progress.advance(base, total, "decoding")
        decoded = self._decoded(wave).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            # This action fills the cache; the writes below read it and do nothing long.
            summary = self._summary(decoded)
            counts.files += len(wave.uris)
            self._heap.learn(int(summary["pixels"].sum()), len(summary))
            good = summary[summary["reason"].isna()].drop(columns="reason")
            known = self._known.among(good["image_id"])
            repeated = good.duplicated("image_id").to_numpy()
            fresh = good[~known & ~repeated]
            counts.new += len(fresh)
            counts.known += int(known.sum())
            counts.repeated += int((repeated & ~known).sum())
            progress.advance(counts.files, total, "writing")
            if len(fresh):
                self._write_images(decoded, good, fresh)
            self._write_annotations(good, bool(known.any()))
            self._known.add(fresh["image_id"])
            self._write_quarantine(decoded, good, len(summary) - len(good))
        finally:
            decoded.unpersist()

    def conflicts(self) -> int:
        """Images of the collection whose imports name different classes."""
        return (
            self._annotations("class")
            .groupBy("image_id")
            .agg(F.min("class").alias("low"), F.max("class").alias("high"))
            .where("low <> high")
            .count()
        )

    def annotated(self) -> bool:
        """Whether the collection has annotations, new or old."""
        return self.counts.annotations > 0 or not self._annotations().isEmpty()

    def _annotations(self, *columns: str) -> DataFrame:
        mine = (F.col("collection") == self._collection) & F.col("source").startswith("folder/")
        return store.read(
            self._spark, self._settings, ANNOTATIONS, ["image_id", "source", *columns], mine
        )

    def _decoded(self, wave: Wave) -> DataFrame:
        rows = pd.DataFrame(
            {
                "position": np.arange(len(wave.uris), dtype=np.int64),
                "uri": wave.uris,
                "size": np.array(wave.sizes, np.int64),
                "data": wave.data if wave.data is not None else [None] * len(wave.uris),
            }
        )
        files = self._spark.createDataFrame(
            rows, "position bigint, uri string, size bigint, data binary"
        )
        # More tasks than slots even out the load, and the pixels of a task must fit a small
        # executor several times.
        slots = self._spark.sparkContext.defaultParallelism
        tasks = max(min(4 * slots, len(rows) // _ROWS_A_TASK), wave.pixels // _PIXELS_A_TASK, 1)
        files = files.repartition(tasks)
        decoder = Decoder(self._heap.root, self._settings.pixel_cap)
        return files.mapInArrow(decoder, DECODED_SQL)  # type: ignore[arg-type]

    def _summary(self, decoded: DataFrame) -> pd.DataFrame:
        try:
            size = F.expr("width * height * channels * if(dtype = 'uint16', 2L, 1L)").alias(
                "pixels"
            )
            table = _arrow(decoded.select("position", "uri", "image_id", "class", "reason", size))
            summary: pd.DataFrame = table.to_pandas()
        except PythonException as error:
            _raise_ours(error)
            raise
        return summary.sort_values("position", ignore_index=True)

    def _write_images(self, decoded: DataFrame, good: pd.DataFrame, fresh: pd.DataFrame) -> None:
        wanted = decoded.where("reason is null")
        if len(fresh) < len(good):
            few = self._spark.createDataFrame(fresh[["position"]], "position bigint")
            wanted = wanted.join(F.broadcast(few), "position", "left_semi")
        wanted = wanted.withColumn("collection", F.lit(self._collection))
        large = wanted.where("chunks is not null")
        if not large.isEmpty():
            chunks = large.select(
                "collection", "image_id", F.posexplode("chunks").alias("chunk", "data")
            )
            store.write(chunks, self._settings, IMAGE_CHUNKS, "insert_ignore")
        images = wanted.select(
            *[c.name for c in IMAGES.columns if c.name not in ("attributes", "ingested_at")],
            F.lit(None).cast("string").alias("attributes"),
            F.lit(self._now).alias("ingested_at"),
        )
        store.write(images, self._settings, IMAGES, "insert_ignore")

    def _write_annotations(self, good: pd.DataFrame, some_known: bool) -> None:
        rows = good[good["class"].notna()].drop_duplicates(["image_id", "class"])
        if some_known and len(rows):
            # Only images that were there before can have theirs already.
            keys = self._annotations().select(F.concat("image_id", "source").alias("key"))
            there = set(_arrow(keys)["key"].to_pylist())
            rows = rows[~(rows["image_id"] + "folder/" + rows["class"]).isin(there)]
        if not len(rows):
            return
        self.counts.annotations += len(rows)
        frame = self._spark.createDataFrame(
            rows[["image_id", "class", "uri"]], "image_id string, class string, uri string"
        ).select(
            F.lit(self._collection).alias("collection"),
            "image_id",
            F.concat(F.lit("folder/"), "class").alias("source"),
            "class",
            "uri",
            F.lit(self._now).alias("annotated_at"),
        )
        store.write(frame, self._settings, ANNOTATIONS, "insert_ignore")

    def _write_quarantine(self, decoded: DataFrame, good: pd.DataFrame, bad: int) -> None:
        self._quarantine.release(good["uri"])
        if not bad:
            return
        columns = ["uri", "reason", "message", "image_id", "head", "bytes"]
        rows = _arrow(decoded.where("reason is not null").select(*columns)).to_pylist()
        self.counts.quarantined += len(rows)
        self.counts.reasons.update(str(row["reason"]) for row in rows)
        for row in sorted(rows, key=lambda row: str(row["uri"]))[: 10 - len(self.counts.samples)]:
            self.counts.samples.append({k: str(row[k])[:200] for k in ("uri", "reason", "message")})
        self._quarantine.keep(rows)


def _arrow(df: DataFrame) -> pa.Table:
    batches = df._collect_as_arrow()
    # Without rows there may be no batch, hence no columns either.
    return (
        pa.Table.from_batches(batches)
        if batches
        else pa.table({name: pa.array([], pa.string()) for name in df.columns})
    )


def _raise_ours(error: PythonException) -> None:
    """Raises the InputError that a worker raised, without Spark's trace."""
    for line in str(error).splitlines():
        if "labelmill.errors.InputError: " in line:
            raise InputError(line.split("labelmill.errors.InputError: ", 1)[1]) from None


def _no_images(heap: Source) -> NoData:
    found = ", ".join(f"{n:,} {why}" for why, n in heap.skipped.most_common(5)) or "nothing"
    return NoData(
        f"{heap.name} holds no PNG files (found: {found}); expected files named .png, labelled by "
        "their folder: CLASS/1.png or train/CLASS/1.png"
    )


def _reported(
    report: Report, ingestion: _Ingestion, heap: Source, fail_over: float | None
) -> Report:
    counts = ingestion.counts
    report.put("source", heap.name)
    report.put("collection", ingestion._collection)
    report.put("files", counts.files)
    report.put("new", counts.new)
    report.put("already_there", counts.known)
    report.put("repeated_in_source", counts.repeated)
    report.put("annotations", counts.annotations)
    report.put("conflicts", ingestion.conflicts())
    report.put("quarantined", counts.quarantined)
    report.put("quarantined_by_reason", dict(counts.reasons.most_common()))
    report.put("skipped", dict(heap.skipped.most_common(20)))
    report.put("images_per_second", round(counts.files / max(report.seconds, 1e-3), 1))
    report.table("first_quarantined", counts.samples)
    if not ingestion.annotated():
        report.note(
            "no annotations: labels are taken from the parent folder's name (CLASS/1.png, "
            "train/CLASS/1.png), and there is none"
        )
    if report.results["conflicts"]:
        report.note(
            "conflicts are images whose imports name different classes; they have no truth until a "
            'person annotates them: labelmill sql "select * from truth_conflicts"'
        )
    share = 100 * counts.quarantined / counts.files
    if counts.quarantined == counts.files:
        failure = f"all {counts.files:,} files are quarantined: {dict(counts.reasons)}"
        report.fail(failure, AllFailed.exit_code)
    elif fail_over is not None and share > fail_over:
        report.fail(
            f"{share:.2f} % of the files are quarantined, more than --fail-over {fail_over:g}; "
            "the good ones are ingested",
            NotAccepted.exit_code,
        )
    return report

"""The manifest of an export: one row per image, sorted, in the form that ingest reads."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.csv as pacsv
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from labelmill.errors import LabelmillError
from labelmill.pipelines.export.file_names import MANIFEST
from labelmill.pipelines.export.output_folder import OutputFolder
from labelmill.pipelines.export.worker import EXPORTED, WHOLE
from labelmill.sources.manifest.columns import EXPORT_COLUMNS

COLUMNS = ["uri", "label", "split", "source_time", "attributes", *EXPORT_COLUMNS]
"""Columns of the manifest."""


def write_manifest(exported: DataFrame, folder: OutputFolder, expected: int) -> None:
    """Writes the rows, sorted, as they come: one partition at a time is on the driver.

    Args:
        exported: Rows of `EXPORTED`; persisted.
        folder: Where to.
        expected: Number of rows whose file is there.

    Raises:
        LabelmillError: An executor was lost and its rows could not be exported again.
    """
    rows = exported.where(F.col("state").isin(list(WHOLE))).select(*COLUMNS)
    schema = pa.schema([EXPORTED.field(name) for name in COLUMNS])
    ordered = rows.sort("uri", "label", "split", "collection", "source_uri")
    with (
        folder.writing(MANIFEST) as file,
        pacsv.CSVWriter(file, schema) as writer,
    ):
        batch, written = [], 0
        for row in ordered.toLocalIterator(prefetchPartitions=True):
            batch.append(row.asDict())
            written += 1
            if len(batch) >= 1000:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
                batch = []
        writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
        if written != expected:
            raise LabelmillError(
                f"{expected - written:,} of {expected:,} rows were lost with an executor, so there is no "
                f"{MANIFEST}; run it again to continue"
            )

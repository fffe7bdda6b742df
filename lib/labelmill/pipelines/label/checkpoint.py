"""Binds a checkpoint to one stream: it holds the offsets of what that stream has labelled.

Spark's own files do not record their owner, so labelmill adds a file beside them. With another
stream's checkpoint, messages would be skipped silently; with a new one, micro-batches would be
numbered from 0 again and collide with the versions pinned before.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import SparkSession

from labelmill.errors import InputError
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import STREAM_BATCHES

OWNER = "labelmill.json"


def claim(
    spark: SparkSession, client: RowClient, checkpoint: str, query: str, table_prefix: str
) -> None:
    """Claims a new checkpoint for a stream, or verifies that the stream owns it.

    Args:
        spark: The session; the checkpoint may be on any file system that Hadoop supports.
        client: Open client.
        checkpoint: Folder or URI.
        query: Name of the stream.
        table_prefix: Of the tables that the stream labels into.

    Raises:
        InputError: It belongs to another stream, or the stream has another checkpoint.
    """
    folder = _Folder(spark, checkpoint)
    owner = {"query": query, "table_prefix": table_prefix}
    found = folder.read(OWNER)
    if found is not None:
        if found != owner:
            raise InputError(
                f"{checkpoint} is the checkpoint of stream {found.get('query')!r} with table prefix "
                f"{found.get('table_prefix')!r}, expected {query!r} and {table_prefix!r}: give this "
                "stream a --checkpoint of its own"
            )
        return
    if folder.exists("metadata"):
        raise InputError(
            f"{checkpoint} holds the offsets of a query that is not a labelmill stream (it has no "
            f"{OWNER} file): give stream {query!r} a --checkpoint of its own"
        )
    if next(iter(client.scan(STREAM_BATCHES, ["batch_id"], {"query": query})), None) is not None:
        raise InputError(
            f"a stream {query!r} has run before, and {checkpoint} is not its checkpoint: "
            "give the old --checkpoint to continue, or another --query to start over"
        )
    folder.write(OWNER, owner)


class _Folder:
    """JSON files in a folder on any file system that Hadoop supports."""

    def __init__(self, spark: SparkSession, folder: str) -> None:
        self._jvm: Any = spark.sparkContext._jvm
        jsc: Any = spark.sparkContext._jsc
        self._folder = folder.rstrip("/")
        self._system = self._path("").getFileSystem(jsc.hadoopConfiguration())

    def _path(self, name: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(f"{self._folder}/{name}")

    def exists(self, name: str) -> bool:
        return bool(self._system.exists(self._path(name)))

    def read(self, name: str) -> dict[str, object] | None:
        """The JSON object in a file; empty when it holds none, None when there is no file."""
        if not self.exists(name):
            return None
        stream = self._system.open(self._path(name))
        try:
            text = self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()
        try:
            found = json.loads(text)
        except ValueError:  # cut off by a crash
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, name: str, content: dict[str, str]) -> None:
        """Writes a file under a temporary name first, so that it is complete or absent."""
        part = self._path(f"{name}.part")
        stream = self._system.create(part, True)
        try:
            stream.write(bytearray(json.dumps(content).encode()))
        finally:
            stream.close()
        self._system.rename(part, self._path(name))

"""Binds a checkpoint to one stream: it holds the offsets of what that stream has labelled.

Spark's own files do not record their owner, so labelmill adds a file beside them. With another
stream's checkpoint, messages would be skipped silently; with a new one, micro-batches would be
numbered from 0 again and collide with the versions pinned before. With another model, or with another
collection or threshold in a replay, one stream's labels would mean two things.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from labelmill.errors import BusError, InputError
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import STREAM_BATCHES

OWNER = "labelmill.json"


IDENTITY = {
    "query": "--query",
    "table_prefix": "--table-prefix",
    "topic": "--topic",
    "model": "--model",
}
"""What a stream is, and the flags that say it: none of it changes while a checkpoint lives."""

DECIDING = {
    "collection": "--collection {}",
    "threshold": "--threshold {}",
    "pixel_cap": "LABELMILL_PIXEL_CAP={}",
    "image_memory": "--image-memory {}",
}
"""What else decides a label, and how it is said. It may change between two micro-batches, not within one."""

TOPIC_ID = "topic_id"
"""What tells the topic from another of its name; offsets of one mean nothing in the other."""

Value = str | int | float


def claim(
    spark: SparkSession,
    client: RowClient,
    checkpoint: str,
    identity: Mapping[str, Value],
    deciding: Mapping[str, Value],
) -> None:
    """Claims a new checkpoint for a stream, or verifies that the stream owns it.

    Args:
        spark: The session; the checkpoint may be on any file system that Hadoop supports.
        client: Open client.
        checkpoint: Folder or URI.
        identity: Values of `IDENTITY`, and `TOPIC_ID`.
        deciding: Values of `DECIDING`.

    Raises:
        InputError: It belongs to another stream, the stream has another checkpoint, or a micro-batch
            that is not finished would be labelled otherwise than it was begun.
        BusError: The topic was deleted and made again.
    """
    folder = _Folder(spark, checkpoint)
    query = identity["query"]
    owner = {**identity, **deciding}
    found = folder.read(OWNER)
    if found is None:
        _refuse_used(folder, client, checkpoint, str(query))
        folder.write(OWNER, owner)
        return
    if "model" not in found:
        # Written by a release that kept the name and the prefix only.
        pinned = {row["model"] for row in client.scan(STREAM_BATCHES, ["model"], {"query": query})}
        found |= {"model": next(iter(pinned))} if len(pinned) == 1 else {}
    for name, flag in IDENTITY.items():
        if found.get(name, owner[name]) != owner[name]:
            raise InputError(
                f"{checkpoint} is the checkpoint of stream {found.get('query')!r} with {flag} "
                f"{found[name]!r}, received {owner[name]!r}: give {flag} {found[name]} to go on with "
                "it, or another --query and --checkpoint to begin a new stream"
            )
    if found.get(TOPIC_ID, owner[TOPIC_ID]) != owner[TOPIC_ID]:
        raise another_topic(str(identity["topic"]), str(query), checkpoint)
    changed = {n: found[n] for n in DECIDING if n in found and found[n] != owner[n]}
    if changed:
        open_batch = folder.unfinished()
        if open_batch is not None and _is_begun(client, str(query), open_batch):
            before = " ".join(DECIDING[name].format(value) for name, value in changed.items())
            now = " ".join(DECIDING[name].format(owner[name]) for name in changed)
            raise InputError(
                f"micro-batch {open_batch} of stream {query!r} was begun with {before} and is not "
                f"finished; received {now}. Let it finish first: run once with {before} "
                "--until-drained. Or give another --query and --checkpoint to begin a new stream"
            )
    if found != owner:
        folder.write(OWNER, owner)


def another_topic(topic: str, query: str, checkpoint: str) -> BusError:
    """The error of a topic that was deleted and made again, whatever number of messages it holds."""
    return BusError(
        f"topic {topic} is not the one that stream {query!r} has read: it was deleted and made again, and "
        f"the offsets in {checkpoint} mean nothing in it. Existing labels stay. To label the new topic's "
        "messages, start over with another --query and --checkpoint"
    )


def _is_begun(client: RowClient, query: str, batch: int) -> bool:
    """Whether a micro-batch has done anything: a stop may meet it when Spark has planned it only."""
    found = client.scan(STREAM_BATCHES, ["batch_id"], {"query": query, "batch_id": batch})
    return next(iter(found), None) is not None


def _refuse_used(folder: _Folder, client: RowClient, checkpoint: str, query: str) -> None:
    """Refuses a folder that another query uses, and a stream that has run with another folder."""
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
            # A replacement that a crash stopped half-way.
            name = f"{name}.part"
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

    def unfinished(self) -> int | None:
        """Number of the micro-batch that Spark has planned and not committed; it will be replayed."""
        planned, committed = self._numbers("offsets"), self._numbers("commits")
        last = max(planned, default=-1)
        return last if last > max(committed, default=-1) else None

    def _numbers(self, name: str) -> list[int]:
        if not self.exists(name):
            return []
        names = [status.getPath().getName() for status in self._system.listStatus(self._path(name))]
        return [int(name) for name in names if name.isdigit()]

    def write(self, name: str, content: Mapping[str, Value]) -> None:
        """Writes a file under a temporary name first: one of both is always complete."""
        part = self._path(f"{name}.part")
        stream = self._system.create(part, True)
        try:
            stream.write(bytearray(json.dumps(content).encode()))
        finally:
            stream.close()
        self._system.delete(self._path(name), False)
        self._system.rename(part, self._path(name))

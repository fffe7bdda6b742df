"""Heaps of images to ingest, one kind of source a module; see docs/guides/sources.md."""

from __future__ import annotations

import os

from pyspark.sql import SparkSession

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.sources.base import Heap, SourceOptions

__all__ = ["open_heap"]

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_MANIFESTS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_TOPIC = "kafka:"


def open_heap(spark: SparkSession, settings: Settings, options: SourceOptions) -> Heap:
    """The heap that a source's text names.

    Args:
        spark: The session; used by sources that executors read.
        settings: Kafka brokers.
        options: The source and how much of it.

    Raises:
        InputError: There is no such source, it is of no kind that is known, or an option is not for it.
        UnknownTopic: There is no such topic.
        BusUnreachable: No broker answered.
    """
    source = options.source
    name = source.lower()
    if options.uri and not name.rstrip("/").endswith(_MANIFESTS):
        raise InputError(f"--uri is for manifests ({', '.join(_MANIFESTS)}); {source} is none")
    # Each kind brings its own libraries; only the one that is used is imported.
    if source.startswith(_TOPIC):
        from labelmill.sources.kafka.source import TopicHeap

        return TopicHeap(spark, settings, options)
    if "://" in source:
        from labelmill.sources.remote.source import UriHeap

        return UriHeap(spark, options)
    # Spark writes a Parquet manifest as a folder.
    if os.path.isdir(source) and not name.rstrip("/").endswith(".parquet"):
        return _of_folder(options)
    if not os.path.exists(source):
        raise InputError(f"{source} does not exist; expected {_expected()}")
    if name.endswith(_ARCHIVES):
        from labelmill.sources.archives.source import ArchiveHeap

        return ArchiveHeap(options, IMAGE_ENDINGS)
    if name.rstrip("/").endswith(_MANIFESTS):
        from labelmill.sources.manifest.source import ManifestHeap

        return ManifestHeap(options)
    from labelmill.sources.idx import IdxHeap, is_idx

    if is_idx(source):
        return IdxHeap(options)
    raise InputError(f"{source} is of no kind that can be ingested; expected {_expected()}")


def _of_folder(options: SourceOptions) -> Heap:
    from labelmill.sources.folder import FolderHeap

    heap = FolderHeap(options)
    if not heap.total:
        from labelmill.sources.idx import IdxHeap, find_idx

        if find_idx(options.source):
            return IdxHeap(options)
    return heap


def _expected() -> str:
    return (
        f"a folder, an archive ({', '.join(_ARCHIVES)}), an IDX file (…-images-idx3-ubyte[.gz]), a "
        f"manifest ({', '.join(_MANIFESTS)}), a URI (hdfs://…, s3://…), or {_TOPIC}TOPIC"
    )

"""Sources of images to ingest, one kind per module; see docs/guides/sources.md."""

from __future__ import annotations

import os

from pyspark.sql import SparkSession

from labelmill.domain.codecs import IMAGE_ENDINGS
from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.sources.base import ImageSource, SourceOptions

__all__ = ["open_source"]

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_MANIFESTS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
_TOPIC = "kafka:"
_NOT_IDX = (*_ARCHIVES, *_MANIFESTS)


def open_source(spark: SparkSession, settings: Settings, options: SourceOptions) -> ImageSource:
    """Opens the source of images that a text names.

    Args:
        spark: The session; used by sources that executors read.
        settings: Kafka brokers.
        options: The source, and how much of it to read.

    Raises:
        InputError: There is no such source, its kind is unknown, or an option does not apply to it.
        UnknownTopic: There is no such topic.
        BusUnreachable: No broker answered.
    """
    source = options.source
    name = source.lower()
    if options.uri and not name.rstrip("/").endswith(_MANIFESTS):
        raise InputError(f"--uri is for manifests ({', '.join(_MANIFESTS)}); {source} is not one")
    if options.label_columns and not name.rstrip("/").endswith(_MANIFESTS):
        raise InputError(
            f"--label-columns is for manifests ({', '.join(_MANIFESTS)}); {source} is not one"
        )
    _check_kind(options, name)
    # Each kind needs its own libraries; only those of the one that is used are imported.
    if source.startswith(_TOPIC):
        from labelmill.sources.kafka.source import KafkaSource

        return KafkaSource(spark, settings, options)
    if "://" in source:
        from labelmill.sources.remote.source import UriSource

        return UriSource(spark, options)
    # Spark writes a Parquet manifest as a folder.
    if os.path.isdir(source) and not name.rstrip("/").endswith(".parquet"):
        return _open_folder(options)
    if not os.path.exists(source):
        raise InputError(f"{source} does not exist; expected {_expected()}")
    if name.endswith(_ARCHIVES):
        from labelmill.sources.archives.source import ArchiveSource

        return ArchiveSource(options, IMAGE_ENDINGS)
    if name.rstrip("/").endswith(_MANIFESTS):
        from labelmill.sources.manifest.source import ManifestSource

        return ManifestSource(options)
    from labelmill.sources.idx import IdxSource, is_idx

    if is_idx(source):
        return IdxSource(options)
    raise InputError(
        f"{source} is not a kind of source that can be ingested; expected {_expected()}"
    )


def _check_kind(options: SourceOptions, name: str) -> None:
    """Raises InputError when an option is for another kind of source, or names no encoding."""
    if options.zip_encoding:
        if not name.endswith(".zip"):
            raise InputError(f"--zip-encoding is for .zip archives; {options.source} is not one")
        try:
            "a".encode(options.zip_encoding)
        except (LookupError, ValueError):
            raise InputError(
                f"--zip-encoding {options.zip_encoding!r} is no encoding that Python knows; expected gbk, "
                "shift_jis, cp1251, cp866, big5 or another one"
            ) from None
    if (options.transpose or options.mapping) and ("://" in name or name.endswith(_NOT_IDX)):
        raise InputError(
            f"--transpose and --mapping are for IDX files; {options.source} is not one"
        )


def _open_folder(options: SourceOptions) -> ImageSource:
    from labelmill.sources.folder import FolderSource

    for_idx = options.transpose or bool(options.mapping)
    source = FolderSource(options)
    if not source.total or for_idx:
        from labelmill.sources.idx import IdxSource, find_idx

        if find_idx(options.source):
            return IdxSource(options)
        if for_idx:
            raise InputError(
                f"--transpose and --mapping are for IDX files; {options.source} holds none"
            )
    return source


def _expected() -> str:
    return (
        f"a folder, an archive ({', '.join(_ARCHIVES)}), an IDX file (…-images-idx3-ubyte[.gz]), a "
        f"manifest ({', '.join(_MANIFESTS)}), a URI (hdfs://…, s3://…), or {_TOPIC}TOPIC"
    )

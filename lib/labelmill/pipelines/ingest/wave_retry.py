"""A wave counts when all its files came through; otherwise its parts are ingested in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill.sources.base import Wave

Summaries = list[dict[str, Any]]

# What Spark's file reader raises even when it is set to pass over files that it cannot read.
_FILE_ERRORS = ("AccessControlException", "BlockMissingException", "while reading file")


def retry_in_parts(
    wave: Wave, ingest: Callable[[Wave], Summaries]
) -> Iterator[tuple[Wave, Summaries]]:
    """Ingests a wave until no file is lost. Repeating is safe: writes ignore rows that exist.

    Args:
        wave: Files.
        ingest: Ingests a wave; its summaries have ``files``, the number of files that came through.

    Yields:
        The waves that count, with their summaries: the wave itself, or those of its parts.

    Raises:
        Exception: What `ingest` raises, unless it says that executors could not read a file.
    """
    try:
        summaries = ingest(wave)
    except (Py4JJavaError, PySparkException) as error:
        if wave.parts is None or not any(name in str(error) for name in _FILE_ERRORS):
            raise
    else:
        if wave.parts is None or sum(one["files"] for one in summaries) == wave.count:
            yield wave, summaries
            return
    for part in wave.parts():
        yield from retry_in_parts(part, ingest)

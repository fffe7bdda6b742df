"""A wave counts when all its files came through; else its parts are taken in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from labelmill.sources.base import Wave

Summaries = list[dict[str, Any]]

# What Spark's reader of files raises even where it was told to pass over what it cannot read.
_OF_FILES = ("AccessControlException", "BlockMissingException", "while reading file")


def whole(wave: Wave, take: Callable[[Wave], Summaries]) -> Iterator[tuple[Wave, Summaries]]:
    """Takes a wave until no file is lost. What is taken twice changes nothing: writes ignore what is there.

    Args:
        wave: Files.
        take: Takes a wave; its summaries have ``files``, the number of files that came through.

    Yields:
        The waves that count, with their summaries: the wave itself, or those of its parts.

    Raises:
        Exception: What `take` raises, other than that executors could not read a file.
    """
    try:
        summaries = take(wave)
    except (Py4JJavaError, PySparkException) as error:
        if wave.parts is None or not any(name in str(error) for name in _OF_FILES):
            raise
    else:
        if wave.parts is None or sum(one["files"] for one in summaries) == wave.count:
            yield wave, summaries
            return
    for part in wave.parts():
        yield from whole(part, take)

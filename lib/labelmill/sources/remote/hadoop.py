"""Folders behind a Hadoop file system, as the driver's JVM sees them.

A name a call would be slow: calls into the JVM cost 40 µs and more. Names come by thousands, joined by
a byte that no name has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.sql import SparkSession

from labelmill.errors import InputError

JVM_ERRORS = (Py4JJavaError, CapturedException)
"""What a call into the JVM raises; pyspark translates some of its errors."""

_AT_ONCE = 10_000
_PIECE = 8 << 20
_FOLDER = re.compile(r"(true|false)(?:; length=(\d+))?[;}]")


class NoSuchFileSystem(Exception):
    """Hadoop has no file system for the URI's scheme."""


class HadoopFiles:
    """One folder and what is below it.

    Attributes:
        root: The folder as Hadoop writes it in the paths below.
    """

    def __init__(self, spark: SparkSession, uri: str) -> None:
        """Looks the folder up.

        Args:
            spark: Its configuration (``spark.hadoop.…``) and its rights are used.
            uri: Taken as Hadoop does: ``%`` and ``#`` are letters of a name.

        Raises:
            NoSuchFileSystem: The scheme is not known, or its jar is not there.
            InputError: There is no such folder, or nobody answers.
        """
        self._jvm = cast(Any, spark._jvm)
        conf = spark._jsparkSession.sessionState().newHadoopConf()
        try:
            path = self._jvm.org.apache.hadoop.fs.Path(uri)
            self._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(path.toUri().getScheme(), conf)  # fmt: skip
        except JVM_ERRORS as error:
            raise NoSuchFileSystem(told(error)) from None
        try:
            self._files = path.getFileSystem(conf)
            status = self._files.getFileStatus(path)
        except JVM_ERRORS as error:
            raise InputError(f"cannot look up {uri}: {told(error)}") from None
        if not status.isDirectory():
            raise InputError(
                f"{uri} is a file; a URI names a folder of images. Archives, IDX files and manifests "
                "are read from a local path: copy it to this machine, or unpack it there"
            )
        self.root = str(status.getPath().toString()).rstrip("/")

    def listed(self, below: str) -> Iterator[tuple[str, int | None]]:
        """Names in one folder with their sizes in bytes; None for a folder. In no order.

        Args:
            below: Path of the folder below the root, with ``/`` at its end; empty: the root.

        Raises:
            InputError: The folder cannot be listed.
        """
        try:
            found = self._files.listStatus(self._path(below))
            # Scala's view of an array joins what it holds; py4j would ask for each.
            wrap = self._jvm.scala.Predef.genericWrapArray
            statuses = wrap(found)
            paths = wrap(self._jvm.org.apache.hadoop.fs.FileUtil.stat2Paths(found))
            for start in range(0, len(found), _AT_ONCE):
                yield from _entries(*(s.slice(start, start + _AT_ONCE) for s in (statuses, paths)))
        except JVM_ERRORS as error:
            raise InputError(f"cannot list {self.root}/{below}: {told(error)}") from None

    def read(self, path: str) -> bytes:
        """The bytes of one file below the root, through the driver.

        Raises:
            OSError: It cannot be read.
        """
        parts = []
        try:
            stream = self._files.open(self._path(path))
            try:
                while part := stream.readNBytes(_PIECE):
                    parts.append(part)
            finally:
                stream.close()
        except JVM_ERRORS as error:
            raise OSError(told(error)) from None
        return b"".join(parts)

    def sequence(self, texts: list[str]) -> Any:
        """The texts, which hold no NUL, as a Scala sequence of the JVM."""
        split = self._jvm.org.apache.commons.lang3.StringUtils.splitPreserveAllTokens
        return self._jvm.scala.Predef.genericWrapArray(split("\0".join(texts), "\0"))

    def _path(self, below: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(f"{self.root}/{below}")


def _entries(statuses: Any, paths: Any) -> Iterator[tuple[str, int | None]]:
    """Name and size of each ``FileStatus`` of a sequence."""
    number = int(statuses.size())
    whole, texts = (str(each.mkString("\0")).split("\0") for each in (paths, statuses))
    if not len(whole) == len(texts) == number:
        whole = texts = [""] * number
    for i, (path, text) in enumerate(zip(whole, texts, strict=True)):
        # The path is known, so nothing in a name can be taken for what follows it.
        _, _, rest = text.partition(f"path={path}; isDirectory=")
        if path and (kind := _FOLDER.match(rest)) and (kind[1] == "true" or kind[2]):
            yield path.rsplit("/", 1)[-1], None if kind[1] == "true" else int(kind[2])
            continue
        # A file system that describes its files in other words.
        status = statuses.apply(i)
        name = str(status.getPath().getName())
        yield name, None if status.isDirectory() else int(status.getLen())


def told(error: Exception) -> str:
    """What the JVM says, in one line and without its trace."""
    if not isinstance(error, Py4JJavaError):
        return str(error).strip().partition("\n")[0]
    cause = error.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    line = str(cause.getMessage() or "no reason given").strip().partition("\n")[0]
    return f"{cause.getClass().getSimpleName()}: {line}"

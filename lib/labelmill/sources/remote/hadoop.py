"""Folders of a Hadoop file system, as the driver's JVM sees them.

Calls into the JVM cost 40 µs and more, too much for one per name. Names come by the thousand, joined by a
byte that no name has.
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
"""What a call into the JVM raises; pyspark translates some of them."""

_NAMES_AT_ONCE = 10_000
_READ_BYTES = 8 << 20
_FOLDER = re.compile(r"(true|false)(?:; length=(\d+))?[;}]")


class NoSuchFileSystem(Exception):
    """Hadoop has no file system for the URI's scheme."""


class HadoopFiles:
    """A folder tree.

    Attributes:
        root: The folder as Hadoop writes it in the paths below.
    """

    def __init__(self, spark: SparkSession, uri: str) -> None:
        """Looks the folder up.

        Args:
            spark: Its configuration (``spark.hadoop.…``) and permissions are used.
            uri: As Hadoop reads it: ``%`` and ``#`` are characters of a name.

        Raises:
            NoSuchFileSystem: The scheme is unknown, or its jar is missing.
            InputError: There is no such folder, or no answer.
        """
        self._jvm = cast(Any, spark._jvm)
        conf = spark._jsparkSession.sessionState().newHadoopConf()
        try:
            path = self._jvm.org.apache.hadoop.fs.Path(uri)
            self._jvm.org.apache.hadoop.fs.FileSystem.getFileSystemClass(path.toUri().getScheme(), conf)  # fmt: skip
        except JVM_ERRORS as error:
            raise NoSuchFileSystem(describe_jvm_error(error)) from None
        try:
            self._files = path.getFileSystem(conf)
            status = self._files.getFileStatus(path)
        except JVM_ERRORS as error:
            raise InputError(f"cannot look up {uri}: {describe_jvm_error(error)}") from None
        if not status.isDirectory():
            raise InputError(
                f"{uri} is a file; a URI names a folder of images. Archives, IDX files and manifests "
                "are read from a local path: copy it to this machine, or unpack it there"
            )
        self.root = str(status.getPath().toString()).rstrip("/")

    def list_folder(self, below: str) -> Iterator[tuple[str, int | None]]:
        """Names in one folder with their sizes in bytes; None for a folder. In any order.

        Args:
            below: Path of the folder below the root, with a final ``/``; empty: the root.

        Raises:
            InputError: The folder cannot be listed.
        """
        try:
            found = self._files.listStatus(self._path(below))
            # Scala's view of an array joins its elements in one call; py4j would make one per element.
            wrap = self._jvm.scala.Predef.genericWrapArray
            statuses = wrap(found)
            paths = wrap(self._jvm.org.apache.hadoop.fs.FileUtil.stat2Paths(found))
            for start in range(0, len(found), _NAMES_AT_ONCE):
                yield from _entries(
                    *(s.slice(start, start + _NAMES_AT_ONCE) for s in (statuses, paths))
                )
        except JVM_ERRORS as error:
            raise InputError(
                f"cannot list {self.root}/{below}: {describe_jvm_error(error)}"
            ) from None

    def read(self, path: str) -> bytes:
        """The bytes of one file below the root, through the driver.

        Raises:
            OSError: It cannot be read.
        """
        parts = []
        try:
            stream = self._files.open(self._path(path))
            try:
                while part := stream.readNBytes(_READ_BYTES):
                    parts.append(part)
            finally:
                stream.close()
        except JVM_ERRORS as error:
            raise OSError(describe_jvm_error(error)) from None
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
    full_paths, texts = (str(each.mkString("\0")).split("\0") for each in (paths, statuses))
    if not len(full_paths) == len(texts) == number:
        full_paths = texts = [""] * number
    for i, (path, text) in enumerate(zip(full_paths, texts, strict=True)):
        # The path is known, so nothing in a name can be mistaken for the fields after it.
        _, _, rest = text.partition(f"path={path}; isDirectory=")
        if path and (kind := _FOLDER.match(rest)) and (kind[1] == "true" or kind[2]):
            yield path.rsplit("/", 1)[-1], None if kind[1] == "true" else int(kind[2])
            continue
        # A file system that formats its files in another way.
        status = statuses.apply(i)
        name = str(status.getPath().getName())
        yield name, None if status.isDirectory() else int(status.getLen())


def describe_jvm_error(error: Exception) -> str:
    """The JVM's message, in one line and without its stack trace."""
    if not isinstance(error, Py4JJavaError):
        return str(error).strip().partition("\n")[0]
    cause = error.java_exception
    while cause.getCause() is not None:
        cause = cause.getCause()
    line = str(cause.getMessage() or "no reason given").strip().partition("\n")[0]
    return f"{cause.getClass().getSimpleName()}: {line}"

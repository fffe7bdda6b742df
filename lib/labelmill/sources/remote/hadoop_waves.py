"""Files behind a Hadoop file system as DataFrames: executors read them with Spark's own reader.

So the rights, tokens and jars that Spark has are enough. Its ``binaryFile`` has defaults for large files
(0.4 k small files/s; 14 k/s with what is set here) and habits that lose files: it leaves out empty files
and names that begin with ``_``, passes over what it cannot read, and ends with an error where a block is
missing or a right is. The first two are read by the driver; for the others a wave has parts, smaller and
smaller, and the last of them are read by the driver, which says for each file what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from labelmill.domain.images.paths import uri_of
from labelmill.sources.base import ARCHIVED_FILE_CAP, FILE_CAP, FILES, WAVE_FILES, Wave, WaveBuilder
from labelmill.sources.remote.hadoop import JVM_ERRORS, HadoopFiles

_WAVE_BYTES = 1 << 30
"""Most file bytes of a wave that executors read: they do not hold it, but may have to repeat it."""

_BATCH_ROWS, _BATCH_BYTES = 1024, 16 << 20
"""Files and bytes of a batch on its way from the JVM to Python; a larger file goes alone."""

_PARTS, _DRIVER_FILES = 16, 128
"""A wave falls into so many parts; of so few files the driver reads each."""

File = tuple[str, int]
"""Path below the root and size in bytes."""


@dataclass
class HadoopWaves:
    """Cuts the files of a folder into waves.

    Attributes:
        spark: The user's session; its settings are left alone.
        files: The folder.
    """

    spark: SparkSession
    files: HadoopFiles
    _sessions: dict[int, SparkSession] = field(default_factory=dict)

    def waves(self, listed: Iterator[File]) -> Iterator[Wave]:
        """The files in their order, except that large ones and odd ones stand apart."""
        few: list[File] = []
        size = 0
        odd: list[File] = []
        for file in listed:
            if file[1] > FILE_CAP or _is_odd(*file):
                odd.append(file)
                if len(odd) == WAVE_FILES:
                    yield from self._by_driver(odd)
                    odd = []
            elif file[1] > ARCHIVED_FILE_CAP:
                # Should executors fail, the driver cannot help with it: alone it troubles no other.
                yield from self._by_executors([file])
            else:
                few.append(file)
                size += file[1]
                if len(few) == WAVE_FILES or size >= _WAVE_BYTES:
                    yield from self._by_executors(few)
                    few, size = [], 0
        if few:
            yield from self._by_executors(few)
        yield from self._by_driver(odd)

    def _by_executors(self, files: Sequence[File]) -> Iterator[Wave]:
        parts = partial(self._parts, files)
        try:
            yield self._read(files, parts)
        except JVM_ERRORS:
            # A file that went away since it was listed ends the reader before it begins.
            yield from parts()

    def _parts(self, files: Sequence[File]) -> Iterator[Wave]:
        if len(files) <= _DRIVER_FILES:
            yield from self._by_driver(files)
            return
        step = -(-len(files) // _PARTS)
        for start in range(0, len(files), step):
            yield from self._by_executors(files[start : start + step])

    def _read(self, files: Sequence[File], parts: partial[Iterator[Wave]]) -> Wave:
        largest = max(size for _, size in files)
        spark = self._session(max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, largest))))
        root = self.files.root
        reader = (
            spark.read.format("binaryFile")
            .option("__globPaths__", "false")  # "[1].png" is a name
            .option("recursiveFileLookup", "true")  # "k=v/" is one too
        )
        paths = self.files.sequence([f"{root}/{path}" for path, _ in files])
        frame = DataFrame(reader._jreader.load(paths), spark).where(F.col("length") <= FILE_CAP)
        known = {
            "uri": F.expr(f"substring(path, {len(root) + 2})"),
            "size": F.col("length"),
            "data": F.col("content"),
        }
        empty = {name: F.lit(None).cast("string") for name in FILES.names}
        empty["source_time"] = F.lit(None).cast("timestamp")
        columns = [column.alias(name) for name, column in {**empty, **known}.items()]
        return Wave(frame.select(*columns), len(files), sum(size for _, size in files), parts=parts)

    def _by_driver(self, files: Sequence[File]) -> Iterator[Wave]:
        wave = WaveBuilder()
        for path, size in files:
            data, fault = self._bytes(path, size)
            if not wave.has_room(len(data or b"")):
                yield wave.take()
            wave.add(uri_of(path), size, data=data, fault=fault)
            if wave.is_full():
                yield wave.take()
        if wave.count:
            yield wave.take()

    def _bytes(self, path: str, size: int) -> tuple[bytes | None, str | None]:
        if size > FILE_CAP:
            return None, f"too_large: {size:,} bytes; files up to {FILE_CAP:,} are read"
        if size > ARCHIVED_FILE_CAP:
            why = "is read by the driver, because Spark passes over its name or could not read it"
            return (
                None,
                f"too_large: {size:,} bytes; it {why}, which takes up to {ARCHIVED_FILE_CAP:,}",
            )
        try:
            return self.files.read(path), None
        except OSError as error:
            return None, f"unreadable: cannot be read: {error}"

    def _session(self, rows: int) -> SparkSession:
        """A session whose batches have so many rows; a power of two, so that there are few."""
        rows = 1 << (rows.bit_length() - 1)
        if rows not in self._sessions:
            slots = self.spark.sparkContext.defaultParallelism
            made = self.spark.newSession()
            for key, value in {
                "spark.sql.files.openCostInBytes": 2048,
                "spark.sql.files.maxPartitionBytes": 32 << 20,
                "spark.sql.files.minPartitionNum": 4 * slots,
                "spark.sql.files.ignoreMissingFiles": "true",
                "spark.sql.files.ignoreCorruptFiles": "true",
                "spark.sql.sources.parallelPartitionDiscovery.parallelism": 4 * slots,
                "spark.sql.execution.arrow.maxRecordsPerBatch": rows,
            }.items():
                made.conf.set(key, str(value))
            self._sessions[rows] = made
        return self._sessions[rows]


def _is_odd(path: str, size: int) -> bool:
    """Whether Spark's reader passes over the file, or writes its name in another way."""
    name = path.rsplit("/", 1)[-1]
    return not size or name.startswith("_") or "\0" in name or uri_of(path) != path

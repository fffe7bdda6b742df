"""Files of a Hadoop file system as DataFrames: executors read them with Spark's own reader.

So Spark's permissions, tokens and jars are enough. Its ``binaryFile`` has defaults for large files (0.4 k
small files/s; 14 k/s with the settings here), and it loses files: it leaves out empty files and names that
begin with ``_``, passes over files that it cannot read, and fails where a block or a permission is
missing. The driver reads the first two itself; for the others a wave has smaller and smaller parts, and
the driver reads the smallest, and reports for each file what is wrong.
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
"""Most file bytes of a wave that executors read: they do not hold it, but may have to read it again."""

_BATCH_ROWS, _BATCH_BYTES = 1024, 16 << 20
"""Files and bytes of a batch on its way from the JVM to Python; a larger file is a batch of its own."""

_PARTS, _DRIVER_FILES = 16, 128
"""Parts that a wave is split into; and the number of files up to which the driver reads each."""

File = tuple[str, int]
"""Path below the root and size in bytes."""


@dataclass
class HadoopWaves:
    """Splits the files of a folder into waves.

    Attributes:
        spark: The user's session; its settings are not changed.
        files: The folder.
    """

    spark: SparkSession
    files: HadoopFiles
    _sessions: dict[int, SparkSession] = field(default_factory=dict)

    def waves(self, files: Iterator[File]) -> Iterator[Wave]:
        """The files in order, except that large and odd ones are in waves of their own."""
        few: list[File] = []
        size = 0
        odd: list[File] = []
        for file in files:
            if file[1] > FILE_CAP or _is_odd(*file):
                odd.append(file)
                if len(odd) == WAVE_FILES:
                    yield from self._by_driver(odd)
                    odd = []
            elif file[1] > ARCHIVED_FILE_CAP:
                # The driver cannot read it if executors fail; alone, it affects no other file.
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
            # A file deleted since it was listed fails the reader at its creation.
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
            .option("__globPaths__", "false")  # "[1].png" is a file name
            .option("recursiveFileLookup", "true")  # so is "k=v/"
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
        """A session whose batches have about this many rows: a power of two, so that there are few."""
        rows = 1 << (rows.bit_length() - 1)
        if rows not in self._sessions:
            slots = self.spark.sparkContext.defaultParallelism
            session = self.spark.newSession()
            for key, value in {
                "spark.sql.files.openCostInBytes": 2048,
                "spark.sql.files.maxPartitionBytes": 32 << 20,
                "spark.sql.files.minPartitionNum": 4 * slots,
                "spark.sql.files.ignoreMissingFiles": "true",
                "spark.sql.files.ignoreCorruptFiles": "true",
                "spark.sql.sources.parallelPartitionDiscovery.parallelism": 4 * slots,
                "spark.sql.execution.arrow.maxRecordsPerBatch": rows,
            }.items():
                session.conf.set(key, str(value))
            self._sessions[rows] = session
        return self._sessions[rows]


def _is_odd(path: str, size: int) -> bool:
    """Whether Spark's reader passes over the file, or spells its name in another way."""
    name = path.rsplit("/", 1)[-1]
    return not size or name.startswith("_") or "\0" in name or uri_of(path) != path

"""A connection's life: settings, Spark's session, the row client, and what an interrupt leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from labelmill.errors import InputError
from labelmill.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from labelmill.store.client import RowClient

Self = TypeVar("Self", bound="OpenConnection")


class OpenConnection:
    """What all methods of a connection share.

    Attributes:
        settings: Addresses and folders in use; pass them to `KuduBatches` and `StreamBatches`.
    """

    def __init__(
        self, settings: Settings, master: str | None, spark: SparkSession | None, progress: bool
    ) -> None:
        self.settings = settings
        self._master, self._progress = master, progress
        self._spark, self._owns_spark = spark, False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<labelmill connection to {self.settings.masters()}, {state}>"

    def __enter__(self: Self) -> Self:
        self._require_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops Spark if this connection started it. A second call does nothing."""
        self._closed = True
        spark, self._spark = self._spark, None
        if spark is not None and self._owns_spark:
            spark.stop()

    @property
    def spark(self) -> SparkSession:
        """The Spark session, started at first use.

        Raises:
            InputError: The connection is closed, or there are no jars of Kudu's connector.
        """
        self._require_open()
        if self._spark is None or self._spark.sparkContext._jsc is None:
            from pyspark.sql import SparkSession

            from labelmill.spark.session import session

            # One that runs already is somebody else's to stop.
            self._owns_spark = SparkSession.getActiveSession() is None
            self._spark = session("labelmill", self._master, self.settings.home)
        return self._spark

    @contextmanager
    def _client(self) -> Iterator[RowClient]:
        from labelmill.store.connect import open_client

        self._require_open()
        client = open_client(self.settings)
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def _working(self) -> Iterator[SparkSession]:
        """Around work of a pipeline: its progress, and what an interrupt leaves behind."""
        from labelmill.spark.progress import hidden_progress
        from labelmill.spark.session import cancel_jobs

        spark = self.spark
        with ExitStack() as stack:
            if not self._progress:
                stack.enter_context(hidden_progress())
            try:
                yield spark
            except KeyboardInterrupt:
                cancel_jobs(spark)
                raise

    def _require_open(self) -> None:
        if self._closed:
            raise InputError("this connection is closed; open another one with labelmill.connect()")

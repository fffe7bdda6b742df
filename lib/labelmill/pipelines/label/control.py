"""Runs a streaming query until it is asked to stop, or has nothing left to do.

SIGTERM reaches the first process of the job: the Python driver (``python jobs/x.py``) or the JVM
(``spark-submit``). Both set the same event; the micro-batch in flight is finished and committed,
then the query ends. A second SIGTERM ends the job at once; the next start replays the batch that
was cut off. A closed terminal (SIGHUP) counts once however often it arrives, because it goes to
both processes.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from labelmill.signals import Terminated

POLL_SECONDS = 0.1


class StopRequested(Exception):
    """Raised in ``foreachBatch`` to end the query between two micro-batches.

    ``StreamingQuery.stop()`` would interrupt a running batch. The batch that raises this has done
    nothing yet, and Spark plans the same one again at the next start.
    """


class Stop:
    """A request to stop, from a signal or from code."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._count = 0
        self._closed = False

    def ask(self, *_: object) -> None:
        """Asks to stop; a signal handler."""
        self._count += 1
        self._asked.set()

    def ask_once(self, *_: object) -> None:
        """Asks to stop; repeating it never makes it urgent. A signal handler."""
        self._count = max(self._count, 1)
        self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether a stop was requested."""
        return self._asked.is_set()

    def close(self) -> None:
        """Keeps further micro-batches from starting."""
        self._closed = True

    @property
    def closing(self) -> bool:
        """Whether a micro-batch that starts now must give up."""
        return self._closed or self.asked

    @property
    def urgent(self) -> bool:
        """Whether a stop was requested twice."""
        return self._count > 1

    def wait(self, seconds: float) -> bool:
        """Waits up to `seconds` for a request to stop; returns whether there is one."""
        return self._asked.wait(seconds)


class _JvmHandler:
    """``sun.misc.SignalHandler`` in Python: under spark-submit the JVM is our parent process."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask

    def handle(self, _: Any) -> None:
        self._ask()

    class Java:
        implements = ("sun.misc.SignalHandler",)


@contextlib.contextmanager
def stop_on_sigterm(spark: SparkSession) -> Iterator[Stop]:
    """Yields a `Stop` that is set by SIGTERM or SIGHUP, sent to the driver or to its JVM."""
    stop = Stop()
    asks: dict[signal.Signals, Callable[..., None]] = {signal.SIGTERM: stop.ask}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        asks[signal.SIGHUP] = stop.ask_once
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, ask) for number, ask in asks.items()}
    gateway: Any = spark.sparkContext._gateway
    ensure_callback_server_started(gateway)  # type: ignore[no-untyped-call]
    misc = gateway.jvm.sun.misc
    jvm_before: dict[str, Any] = {}
    for number, ask in asks.items():
        name = number.name.removeprefix("SIG")
        # A JVM started with -Xrs keeps its signals; then only the Python process handles them.
        with contextlib.suppress(Exception):
            jvm_before[name] = misc.Signal.handle(misc.Signal(name), _JvmHandler(ask))
    try:
        yield stop
    finally:
        for number, former in before.items():
            signal.signal(number, former)
        for name, handler in jvm_before.items():
            with contextlib.suppress(Exception):
                misc.Signal.handle(misc.Signal(name), handler or misc.SignalHandler.SIG_DFL)


def follow(
    query: StreamingQuery, stop: Stop, drained: Callable[[], bool] | None, idle_seconds: float
) -> bool:
    """Waits until the query has ended: stopped, drained, or failed (see ``query.exception()``).

    Args:
        query: Running; its ``foreachBatch`` raises `StopRequested` once `stop` is closing.
        stop: The request to stop.
        drained: Whether enough was labelled to end once the topic is empty; None: never end.
        idle_seconds: Seconds without a new message after which a drained query ends.

    Returns:
        True when the query was stopped here with no micro-batch running; False when it ended by
        itself.

    Raises:
        Terminated: A second request to stop.
    """
    idle_since: float | None = None
    polled = False
    while query.isActive:
        if stop.urgent:
            raise Terminated
        # The order matters: a batch that starts after `closing` was read gives up by itself, so a
        # query that waits *afterwards* has no batch that stopping it could interrupt.
        closing = stop.closing
        status = query.status
        waiting = _waiting(status)
        if closing and waiting:
            query.stop()
            return True
        # Polling the topic is not work: on a slow machine a query is nearly always polling.
        polled = polled or waiting
        quiet = polled and not status["isDataAvailable"]
        idle_since = (idle_since or time.monotonic()) if quiet else None
        idle = 0.0 if idle_since is None else time.monotonic() - idle_since
        if drained is not None and quiet and idle >= idle_seconds and drained():
            stop.close()
        elif stop.asked:
            time.sleep(POLL_SECONDS)
        else:
            stop.wait(POLL_SECONDS)
    return False


def _waiting(status: dict[str, Any]) -> bool:
    """Whether the last poll of the topic found nothing new and no batch is running."""
    return (
        status["message"] == "Waiting for data to arrive"
        and not status["isDataAvailable"]
        and not status["isTriggerActive"]
    )

"""Scans of Kudu that continue after outages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from labelmill.errors import ScannerExpired, StoreUnreachable
from labelmill.store.scans import Scan

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
# Seconds before a lost scan starts again: doubled each time, up to the longest.


class Stopped(Exception):
    """The consumer no longer waits for these rows."""


def read_with_retry(
    scan: Callable[[], Scan],
    take: Callable[[pa.RecordBatch], object],
    patience_s: float,
    stop: threading.Event,
    again: Callable[[], object] = lambda: None,
) -> None:
    """Reads a scan to its end; starts it again after an outage that does not last too long.

    Args:
        scan: Makes the scan.
        take: Receives each batch; the same rows again after a restart.
        patience_s: Seconds without any batch after which an outage is an error.
        stop: Set when the consumer has gone.
        again: Called before each restart.

    Raises:
        StoreUnreachable: Kudu did not answer for too long.
        ScannerExpired: Kudu closed the scanners, again and again for too long.
        StoreError: Kudu refused.
        Stopped: `stop` was set.
    """
    last_batch, pause = time.monotonic(), _FIRST_PAUSE
    while True:
        try:
            for batch in scan().batches():
                if stop.is_set():
                    raise Stopped
                take(batch)
                last_batch, pause = time.monotonic(), _FIRST_PAUSE
            return
        except (StoreUnreachable, ScannerExpired):
            if time.monotonic() - last_batch > patience_s:
                raise
        if stop.wait(pause):
            raise Stopped
        pause = min(2 * pause, _LONGEST_PAUSE)
        again()

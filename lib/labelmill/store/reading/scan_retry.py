"""A scan of Kudu read to its end, through outages."""

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
# Seconds before a lost scan is begun again: doubled each time, up to the longest.


class Stopped(Exception):
    """Nobody waits for these rows any more."""


def steadily(
    scan: Callable[[], Scan],
    take: Callable[[pa.RecordBatch], object],
    patience_s: float,
    stop: threading.Event,
    again: Callable[[], object] = lambda: None,
) -> None:
    """Reads a scan to its end; begins again after an outage, while it does not last too long.

    Args:
        scan: Makes it.
        take: Is given each batch; the same rows again after a new beginning.
        patience_s: For how long nothing may arrive before an outage is an error.
        stop: Set when the consumer has gone.
        again: Called before a new beginning.

    Raises:
        StoreUnreachable: Kudu did not answer for too long.
        ScannerExpired: Its scanners were forgotten for too long.
        StoreError: Kudu refused.
        Stopped: Nobody waits any more.
    """
    heard, pause = time.monotonic(), _FIRST_PAUSE
    while True:
        try:
            for batch in scan().batches():
                if stop.is_set():
                    raise Stopped
                take(batch)
                heard, pause = time.monotonic(), _FIRST_PAUSE
            return
        except (StoreUnreachable, ScannerExpired):
            if time.monotonic() - heard > patience_s:
                raise
        if stop.wait(pause):
            raise Stopped
        pause = min(2 * pause, _LONGEST_PAUSE)
        again()

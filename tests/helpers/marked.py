"""Processes that a test has started, directly or not: found by a variable in their environment."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import psutil
import pytest

PROBE = "LABELMILL_TEST_PROBE"


def of_probe(probe: str) -> list[psutil.Process]:
    """Those that run now and have this probe in their environment, or nothing but it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(PROBE) == probe and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def probe() -> Iterator[str]:
    """A mark for everything that the test starts; nothing of it is left afterwards."""
    made = uuid.uuid4().hex
    yield made
    for process in of_probe(made):
        with contextlib.suppress(psutil.Error):
            process.kill()

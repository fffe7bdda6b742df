"""Jobs as processes that a test may stop or kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

from labelmill.settings import Settings
from tests.conftest import ROOT, Servers, environment_for


@contextlib.contextmanager
def running(
    command: list[str], settings: Settings, cluster: Servers
) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own; SIGKILL to all of it at the end."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment_for(cluster, settings),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

"""Errors of disks and file systems as errors of ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from labelmill.errors import InputError, LabelmillError


@contextmanager
def disk_errors(what: str, advice: str) -> Iterator[None]:
    """Only around what reads and writes files: other errors of systems are not meant.

    Args:
        what: That went wrong, with its folder.
        advice: What to do.

    Raises:
        InputError: In place of an OSError.
    """
    try:
        yield
    except LabelmillError:
        raise  # some of ours are errors of connections, too
    except OSError as error:
        why = str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk is full, or the quota is used up ({error})"
        raise InputError(f"{what}: {why}; {advice}") from error

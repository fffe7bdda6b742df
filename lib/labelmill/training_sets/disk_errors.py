"""Errors of disks and file systems as errors of ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

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


def room_in(folder: str) -> AbstractContextManager[None]:
    """Errors of a folder that holds arrays on their way, as errors of ours."""
    return disk_errors(
        f"there is no way to put pixels down in the folder {folder} until the training set is written",
        "make room there. It is where training sets lie when that is a local disk (--location names "
        "another), else the folder for temporary files (TMPDIR names another)",
    )

"""Turns errors of disks and file systems into labelmill's."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from labelmill.errors import InputError, LabelmillError


@contextmanager
def disk_errors(what: str, advice: str) -> Iterator[None]:
    """Wraps code that reads and writes files; use it around nothing else.

    Args:
        what: What went wrong, with its folder.
        advice: How to fix it.

    Raises:
        InputError: Replaces an OSError.
    """
    try:
        yield
    except LabelmillError:
        raise  # some of ours are OSErrors, too
    except OSError as error:
        why = str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = f"the disk is full, or the quota is used up ({error})"
        raise InputError(f"{what}: {why}; {advice}") from error


def room_in(folder: str) -> AbstractContextManager[None]:
    """Turns errors of a folder that holds a spool into `InputError`."""
    return disk_errors(
        f"pixels cannot be spooled to the folder {folder} while the training set is assembled",
        "make room there. It is the folder of training sets when that is a local disk (--location "
        "names another), else the folder for temporary files (TMPDIR names another)",
    )

"""``labelmill prune``: flags that decide nothing are refused before anything is read."""

from __future__ import annotations

import pytest

from labelmill.cli.prune import prune
from labelmill.errors import InputError


def test_flags_that_decide_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="a sweep leaves when it has shown no sign of life"):
        prune(["sweeps"], keep=3)
    with pytest.raises(InputError, match="only micro-batches, versions are to be removed"):
        prune(["versions", "micro-batches"], older_than=30, force=True)

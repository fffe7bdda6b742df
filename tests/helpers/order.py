"""Which tests come first, and which ones one worker runs."""

from __future__ import annotations

import functools
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).resolve().parents[2]

UNIT = "tests/unit/"
LONG = (f"{UNIT}test_docs_site.py", f"{UNIT}sources/archives/test_zip.py")
"""Unit tests that take several seconds: a worker that began them last would be waited for."""


EXAMPLES = f"{UNIT}test_examples.py"
"""One of its examples feeds TensorFlow, where that is installed."""


def rank(nodeid: str) -> int:
    """Tests with servers come first, then the long ones of the unit tests."""
    file = nodeid.partition("::")[0]
    if not file.startswith(UNIT):
        return 0
    if uses_tensorflow(file):
        return 1
    return 2 if file in LONG else 3


@functools.cache
def uses_tensorflow(file: str) -> bool:
    """Whether a file of unit tests needs TensorFlow."""
    marked = file.startswith(UNIT) and "mark.train" in (ROOT / file).read_text()
    return marked or file == EXAMPLES


class TensorFlowTogether(LoadFileScheduling):  # type: ignore[misc]
    """One file at a time for each worker; one worker imports TensorFlow: that takes longer than a file."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return "TensorFlow" if uses_tensorflow(file) else file

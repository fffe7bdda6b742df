"""What the workers of an ingest told, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from labelmill.errors import LabelmillError
from labelmill.pipelines.take_files import SAMPLES

_PARTS = {
    "read": "reading files",
    "decode": "hashing and decoding",
    "write": "writing to Kudu",
}


class Counts:
    """Sums over summaries of `labelmill.pipelines.take_files`.

    Attributes:
        files: Files taken so far, good and bad.
        bytes: Bytes of the good ones.
        annotations: Annotations that were sent.
        reasons: Bad files by reason.
        samples: Some bad files: ``uri``, ``reason``, ``message``.
        cut: Why the source could not be read to its end.
    """

    def __init__(self) -> None:
        self.files = self.bytes = self.annotations = 0
        self.reasons: Counter[str] = Counter()
        self.samples: list[dict[str, str]] = []
        self.cut: LabelmillError | None = None
        self._seconds: Counter[str] = Counter()

    @property
    def quarantined(self) -> int:
        """Bad files."""
        return sum(self.reasons.values())

    @property
    def good(self) -> int:
        """Good files."""
        return self.files - self.quarantined

    @property
    def seconds_a_file(self) -> float | None:
        """Mean seconds of a worker for a file; None before the first."""
        return sum(self._seconds.values()) / self.files if self.files else None

    def add(self, summary: Mapping[str, Any]) -> None:
        """Adds one row of ``SUMMARY``."""
        self.files += summary["files"]
        self.bytes += summary["bytes"]
        self.annotations += summary["annotations"]
        self.reasons.update(dict(summary["reasons"]))
        for sample in summary["samples"][: SAMPLES - len(self.samples)]:
            self.samples.append(dict(zip(("uri", "reason", "message"), sample, strict=True)))
        for part in _PARTS:
            self._seconds[part] += summary[part]

    def slowest_part(self) -> str:
        """Where the workers' time went most, in words."""
        part, seconds = self._seconds.most_common(1)[0]
        share = 100 * seconds / max(sum(self._seconds.values()), 1e-9)
        return f"{_PARTS[part]}: {share:.0f} % of {sum(self._seconds.values()):.1f} s of workers"

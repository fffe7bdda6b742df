"""Spark's long errors are shortened."""

from __future__ import annotations

import pytest

from labelmill.pipelines.train.scheduler import LOST, _failure_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("An error occurred\n  File x\nMemoryError: 3 GB\n\tat org.apache", "MemoryError: 3 GB"),
        ("py4j.protocol.Py4JJavaError: x\nJob aborted: y", "Job aborted: y"),
        ("Job aborted\njava.lang.OutOfMemoryError: heap", "java.lang.OutOfMemoryError: heap"),
        (
            ": at Spark\nJob aborted due to stage failure: lost",
            "Job aborted due to stage failure: lost",
        ),
        (
            "Job 3 cancelled part of cancelled job group x",
            "Job 3 cancelled part of cancelled job group x",
        ),
        ("first line\nsecond", "first line"),
        ("", "RuntimeError('')"),
    ],
)
def test_the_line_that_says_what_happened(text: str, reason: str) -> None:
    assert _failure_reason(RuntimeError(text)) == f"{LOST}: {reason}"


def test_a_reason_is_short() -> None:
    assert len(_failure_reason(RuntimeError("ValueError: " + "x" * 9000))) == 2000

"""Which files are not images, and how they are counted."""

from __future__ import annotations

from collections import Counter

import pytest

from labelmill.sources.file_filter import leave_out, why_left_out


@pytest.mark.parametrize("uri", ["a.png", "A.PNG", "a/b.pgm", "./a.png", "../a.png", "a.b/c d.ppm"])
def test_images_by_name(uri: str) -> None:
    assert why_left_out(uri) == ""


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (".a.png", "hidden"),
        ("a/.b/c.png", "hidden"),
        ("a.txt", "not named like an image: .txt"),
        ("a.png/b", "not named like an image: no ending"),
        ("a.TAR.GZ", "not named like an image: .gz"),
    ],
)
def test_other_files_have_a_reason(uri: str, reason: str) -> None:
    assert why_left_out(uri) == reason


def test_reasons_are_bounded_in_number_and_length() -> None:
    skipped: Counter[str] = Counter()
    for number in range(500):
        leave_out(skipped, why_left_out(f"x.{number}"))
    leave_out(skipped, why_left_out("x." + "y" * 200))
    leave_out(skipped, "not named like an image: .1")
    assert skipped.total() == 502
    assert len(skipped) < 110
    assert skipped["not named like an image: .1"] == 2, "a known reason is counted as it is"

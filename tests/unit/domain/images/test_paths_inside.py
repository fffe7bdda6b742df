"""Untrusted paths stay inside their folder."""

from __future__ import annotations

import pytest

from labelmill.domain.images.paths import path_inside


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("a/1.png", "a/1.png"),
        ("./a//b/../1.png", "a/1.png"),
        ("/data/heap/a/1.png", "a/1.png"),
        ("../heap/1.png", "1.png"),
        ("a/../../heap/1.png", "1.png"),
        ("file:///data/heap/a%20b%25.png", "a b%.png"),
        ("FILE://localhost/data/heap/1.png", "1.png"),
        ("a b%20#ü?.png", "a b%20#ü?.png"),
        ("..a.png", "..a.png"),
        (" ", " "),
        # These leave, or name the folder itself.
        ("../1.png", None),
        ("a/../../1.png", None),
        ("/etc/passwd", None),
        ("//data/heap/1.png", None),
        ("/data/heap", None),
        ("/data/heap/", None),
        ("/data/heap2/1.png", None),
        ("file:///etc/passwd", None),
        ("file:///data/heap/%2e%2e/1.png", None),
        ("file://server/data/heap/1.png", None),
        ("s3://data/heap/1.png", None),
        ("https://example.org/1.png", None),
        (".", None),
        ("", None),
    ],
)
def test_only_what_lies_below_the_folder_gets_a_path(path: str, inside: str | None) -> None:
    assert path_inside("/data/heap", path) == inside
    assert path_inside("/data/heap/", path) == inside


def test_below_the_root_of_a_disk() -> None:
    assert path_inside("/", "etc/1.png") == "etc/1.png"
    assert path_inside("/", "../1.png") == "1.png"

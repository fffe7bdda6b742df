"""Manifests that are not of this format say so, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmill.errors import InputError
from labelmill.feed.files.manifest import read_manifest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 1, "digest": "ab", "rows": 3}', r"of format 1, expected 2; freeze it again"),
        ('{"format": 3}', "of format 3, expected 2"),
        ('{"format": 2}', r"manifest.json is not a manifest: .*digest"),
        ("[1]", "is not a manifest"),
        ("{", "is not a manifest"),
    ],
)
def test_other_formats_and_other_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=f"(?s){message}"):
        read_manifest(str(tmp_path))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not a manifest"):
        read_manifest(str(tmp_path))
    with pytest.raises(InputError, match="holds no training set"):
        read_manifest(str(tmp_path / "nowhere"))

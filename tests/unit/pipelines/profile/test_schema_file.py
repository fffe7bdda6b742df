"""Schemas in files: what is written is read again, and what is not a schema is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmill.domain.profiles.schema import infer
from labelmill.errors import InputError
from labelmill.pipelines.profile.schema_file import check_writable, read_schema_file, write_schema
from tests.unit.domain.profiles.samples import profile


def test_a_written_schema_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "schema.json"
    schema = infer(profile(classes={"katze 🐈": 1000}, class_splits={"katze 🐈": {"train": 1000}}))
    write_schema(schema, path)
    assert read_schema_file(str(path)) == schema
    assert "katze 🐈" in path.read_text("utf-8"), "people edit it"
    write_schema(infer(profile()), path)
    assert read_schema_file(str(path)) == infer(profile())
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[]", "bad.json"), ('{"classes": 1}', "bad.json")]
)
def test_what_is_not_a_schema_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_schema_file(str(path))


def test_no_file_is_an_error_of_the_flag(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--against .*none\.json: No such file"):
        read_schema_file(str(tmp_path / "none.json"))


def test_a_path_is_checked_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "schema.json", "--write-schema")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    for wrong in (tmp_path, tmp_path / "file" / "schema.json"):
        with pytest.raises(InputError, match=r"^--write-schema .* cannot be written"):
            check_writable(wrong, "--write-schema")

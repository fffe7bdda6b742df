"""Schemas as files, to be kept, edited and compared with."""

from __future__ import annotations

import json
import os
from pathlib import Path

from labelmill.domain.profiles.schema import Schema, read_schema
from labelmill.errors import InputError


def check_writable(path: Path, flag: str) -> None:
    """Checks, before the work, that a file can be written after it.

    Raises:
        InputError: It is a folder, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{flag} {path} cannot be written: {error.strerror}") from None
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(
            f"{flag} {path} cannot be written; expected a file's path in a folder that you may "
            "write to"
        )


def write_schema(schema: Schema, path: Path) -> None:
    """Writes a schema for ``--against``, to be kept and edited."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(schema.to_json(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)


def read_schema_file(path: str) -> Schema:
    """Reads a schema.

    Raises:
        InputError: There is no such file, or it is not JSON, or not a schema.
    """
    try:
        return read_schema(json.loads(Path(path).read_text("utf-8")), path)
    except OSError as error:
        raise InputError(f"--against {path}: {error.strerror}") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--against {path} is not JSON: {error}") from None

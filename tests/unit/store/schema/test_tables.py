"""The declarations: what Kudu and Spark SQL can take, and the docs made from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labelmill.errors import UnknownName
from labelmill.store.schema.docs import page
from labelmill.store.schema.tables import TABLES, table
from labelmill.store.schema.types import Table

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("declared", TABLES.values(), ids=lambda t: t.name)
def test_declaration_is_one_kudu_can_take(declared: Table) -> None:
    names = [c.name for c in declared.columns]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in [declared.name, *names])
    keys = [c.key for c in declared.columns]
    assert keys == sorted(keys, reverse=True), "key columns come first"
    assert declared.key
    assert not any(c.nullable for c in declared.columns if c.key)
    assert set(declared.hash_on) <= set(declared.key)
    assert declared.range_on == (() if declared.hash_on else declared.key)
    assert all(c.comment for c in declared.columns)


def test_page_is_in_step() -> None:
    written = (ROOT / "docs" / "reference" / "tables.md").read_text()
    assert written == page(), (
        "run: python -m labelmill.store.schema.docs > docs/reference/tables.md"
    )


def test_page_shows_every_column() -> None:
    written = (ROOT / "docs" / "reference" / "tables.md").read_text()
    for declared in TABLES.values():
        section = written.split(f"## {declared.name}\n")[1].split("\n## ")[0]
        for column in declared.columns:
            assert f"| `{column.name}` | {column.type}" in section


def test_unknown_names_suggest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'annotations'"):
        table("annotation")
    with pytest.raises(UnknownName, match="Did you mean 'image_id'"):
        table("images").column("imageid")

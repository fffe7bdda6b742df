"""The three splits are declared in one module: split codes and digests rely on one order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import labelmill
from labelmill.domain.splits import hashing

LIB = Path(labelmill.__file__).parent
DECLARED_IN = Path(hashing.__file__).relative_to(LIB).as_posix()


def declarations(source: str) -> Iterator[str]:
    """Literals that hold the names of all three splits, as source; also where more follows them."""
    if any(name not in source for name in hashing.SPLITS):
        return  # parsing takes most of the time
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            texts = {e.value for e in node.elts if isinstance(e, ast.Constant)}
            if {*hashing.SPLITS} <= texts:
                yield ast.unparse(node)


def test_no_second_declaration() -> None:
    found = {
        path.relative_to(LIB).as_posix(): list(declarations(path.read_text("utf-8")))
        for path in sorted(LIB.rglob("*.py"))
    }
    # The type, SPLITS and SPLITS_SHOWN.
    assert len(found.pop(DECLARED_IN)) == 3
    assert {path: literals for path, literals in found.items() if literals} == {}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('x = ("train", "validation", "test")', 1),
        ('for x in ["test", "train", "validation"]: pass', 1),
        ('f(y in {"validation", "train", "test"})', 1),
        ('x = ("train", "validation", "test", OTHER)', 1),
        ('x: Literal["train", "test", "validation"]', 1),
        ('x = ("train", "test")', 0),
        ('x = {"train": 1, "validation": 2, "test": 3}', 0),
    ],
)
def test_scan_finds_declarations(source: str, count: int) -> None:
    assert len(list(declarations(source))) == count


def test_codes_are_indices() -> None:
    assert tuple(sorted(hashing.SPLITS_SHOWN)) == hashing.SPLITS
    codes = (hashing.TEST, hashing.TRAIN, hashing.VALIDATION)
    assert [hashing.SPLITS[code] for code in codes] == ["test", "train", "validation"]

"""Examples in docstrings run, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest

import labelmill

LIB = Path(labelmill.__file__).parent
MODULES = sorted(
    ".".join(("labelmill", *path.relative_to(LIB).with_suffix("").parts)).removesuffix(".__init__")
    for path in LIB.rglob("*.py")
    if re.search(r"^\s+>>> ", path.read_text("utf-8"), re.MULTILINE)
)
CALLABLES = [
    name
    for name in labelmill.__all__
    if not name.startswith("_") and not inspect.ismodule(getattr(labelmill, name))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)  # an example may write files
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("name", CALLABLES)
def test_every_public_name_has_an_example(name: str) -> None:
    documented = inspect.getdoc(getattr(labelmill, name)) or ""
    assert "Example" in documented, f"labelmill.{name} has no example in its docstring"


@pytest.mark.parametrize("module", ["maps", "augment"])
def test_every_map_has_an_example(module: str) -> None:
    public = getattr(labelmill, module)
    for name in public.__all__:
        documented = inspect.getdoc(getattr(public, name)) or ""
        assert "Example" in documented, f"labelmill.{module}.{name} has no example"

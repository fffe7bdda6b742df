"""``bin/test --cov``: line coverage of lib/, and which of its modules no test names."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lib" / "labelmill"

PURE = (
    "labelmill.bus.envelope", "labelmill.bus.payload", "labelmill.domain", "labelmill.errors",
    "labelmill.feed.order", "labelmill.read_ahead", "labelmill.sql.guard", "labelmill.store.schema",
)  # fmt: skip
"""Modules and rooms that need neither a server nor Spark nor TensorFlow."""

WANTED, WANTED_OF_PURE = 90.0, 95.0
"""Per cent of the lines: of all, and of each pure module."""


@dataclass(frozen=True)
class Module:
    """One module's lines.

    Attributes:
        name: Dotted.
        lines: Statements.
        covered: Those that ran.
    """

    name: str
    lines: int
    covered: int

    @property
    def per_cent(self) -> float:
        """Of its statements; a module without any is whole."""
        return 100.0 * self.covered / self.lines if self.lines else 100.0

    @property
    def pure(self) -> bool:
        """Whether `PURE` names it or its room."""
        return any(self.name == one or self.name.startswith(f"{one}.") for one in PURE)


def measure(run: Sequence[str]) -> list[str]:
    """The command that runs ``python -m`` `run` measured, with all processes that it starts."""
    shutil.rmtree(_folder(), ignore_errors=True)
    _folder().mkdir(parents=True)
    return [*_coverage("run"), "-m", *run]


def report() -> str:
    """What was measured, for people.

    Raises:
        RuntimeError: Nothing was measured; with what coverage.py said.
    """
    _run("combine", "--quiet")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        _run("json", "--quiet", "-o", str(target))
        files = json.loads(target.read_text())["files"]
    modules = [
        Module(
            _name_of(ROOT / path), of["summary"]["num_statements"], of["summary"]["covered_lines"]
        )
        for path, of in files.items()
    ]
    return summary(modules, unnamed(module_files(), test_texts()))


def summary(modules: Sequence[Module], nameless: Sequence[str]) -> str:
    """Total, modules below what is wanted, and modules that no test names."""
    lines, covered = (sum(getattr(m, what) for m in modules) for what in ("lines", "covered"))
    total = Module("total", lines, covered)
    out = io.StringIO()
    print(f"line coverage of lib/: {total.per_cent:.1f} % of {lines:,} lines", file=out)
    print(f"(wanted: {WANTED:.0f} %; {WANTED_OF_PURE:.0f} % of each pure module)", file=out)
    low = [m for m in modules if m.per_cent < (WANTED_OF_PURE if m.pure else WANTED)]
    for module in sorted(low, key=lambda m: m.per_cent):
        mark = "  pure" if module.pure else ""
        print(f"{module.per_cent:6.1f} %  {module.lines:5}  {module.name}{mark}", file=out)
    print(f"modules that no test imports or names: {len(nameless) or 'none'}", file=out)
    for name in nameless:
        print(f"  {name}", file=out)
    return out.getvalue().rstrip()


def unnamed(modules: Mapping[str, str], tests: Sequence[str]) -> list[str]:
    """Modules that no test imports and no test's text names.

    Args:
        modules: Dotted name → source; one of nothing but a docstring is left out.
        tests: Sources.
    """
    named = set().union(*map(_imports, tests)) if tests else set()
    texts = "\n".join(tests)
    return [
        name
        for name, source in sorted(modules.items())
        if _has_code(source) and name not in named and name not in texts
    ]


def module_files() -> dict[str, str]:
    """Dotted name → source of each module of lib/."""
    return {_name_of(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def test_texts() -> list[str]:
    """Sources of everything below tests/."""
    return [path.read_text() for path in sorted((ROOT / "tests").rglob("*.py"))]


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _has_code(source: str) -> bool:
    body = ast.parse(source).body
    return any(not isinstance(node, (ast.Expr, ast.ImportFrom)) for node in body)


def _name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _folder() -> Path:
    return ROOT / ".labelmill" / "coverage"


def _coverage(command: str) -> list[str]:
    config = str(ROOT / "pyproject.toml")
    return [sys.executable, "-m", "coverage", command, f"--rcfile={config}"]


def _run(command: str, *arguments: str) -> None:
    answer = subprocess.run(
        [*_coverage(command), *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    if answer.returncode:
        raise RuntimeError(f"coverage {command}: {answer.stdout}{answer.stderr}")

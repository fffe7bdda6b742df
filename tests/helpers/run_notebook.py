"""Runs the code cells of a notebook as Jupyter does, in a plain Python: no kernel, no messages.

``python -m tests.helpers.run_notebook NOTEBOOK OUT.json`` writes what each cell's last expression
shows: its HTML where it has `_repr_html_`, else its text.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any


def code_cells(notebook: Path) -> list[str]:
    """The sources of the code cells, in order."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> str | None:
    """Runs one cell; what its last expression shows, None where it is a statement."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    if value is None:
        return None
    page = value._repr_html_() if hasattr(value, "_repr_html_") else None
    return page if page is not None else repr(value)


def main(notebook: str, out: str) -> None:
    """Runs all cells in one namespace."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = [run(source, names) for source in code_cells(Path(notebook))]
    Path(out).write_text(json.dumps(shown))


if __name__ == "__main__":
    main(*sys.argv[1:])

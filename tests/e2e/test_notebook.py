"""The notebook of docs/guides runs from top to bottom, twice, and shows what it promises."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labelmill.settings import Settings
from tests.conftest import ROOT, Servers, environment_for

NOTEBOOK = ROOT / "docs" / "guides" / "notebook.ipynb"


def test_it_is_committed_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert "outputs" not in json.dumps(notebook["metadata"])
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.train
@pytest.mark.timeout(900)
def test_it_runs(cluster: Servers, settings: Settings, tmp_path: Path) -> None:
    run = runner(environment_for(cluster, settings), tmp_path)
    shown = run()
    (
        connection,
        ingest,
        counts,
        frozen,
        batch,
        sweep,
        evaluation,
        found,
        one,
        labelled,
        mistakes,
        last,
    ) = shown
    assert "open" in connection
    assert "<b>1,797</b><span>new images" in ingest
    assert counts.count("<tr") == 11
    assert "178" in counts, "zeros among scikit-learn's digits"
    assert "<b>1,797</b><span>images" in frozen
    assert frozen.count("<img") == 80
    assert "(32, 8, 8, 1)" in batch
    assert sweep.count("<tr") == 3
    assert "Confusion matrix" in evaluation
    assert "accepted</span>, promoted" in evaluation
    assert found.count("<img") == 24
    assert "label='3'" in one
    assert "<b>1,797</b><span>images" in labelled
    assert "<th>probability</th>" in mistakes
    assert last is None

    again = run()
    assert "<b>0</b><span>new images" in again[1]
    assert again[3] == frozen, "the same training set"
    assert "2 of them ended in earlier runs" in again[5]


def runner(environment: dict[str, str], folder: Path) -> Callable[[], list[str]]:
    """Runs the notebook in a process of its own, as its kernel would."""

    def run() -> list[str]:
        out = folder / "shown.json"
        answer = subprocess.run(
            [sys.executable, "-m", "tests.helpers.run_notebook", str(NOTEBOOK), str(out)],
            capture_output=True,
            text=True,
            timeout=420,
            cwd=folder,
            env={**environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'lib'}"},
        )
        assert answer.returncode == 0, f"{answer.stdout}\n{answer.stderr}"
        shown: list[str] = json.loads(out.read_text())
        return shown

    return run

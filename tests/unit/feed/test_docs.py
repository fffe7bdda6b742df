"""The code in docs/guides/training_sets.md runs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.training_sets import image_row, write

ROOT = Path(__file__).parents[3]


@pytest.mark.train
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: pip install 'labelmill[train]'",
)
def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        image_row(n, np.full((30, 30, 1), n % 256, np.uint8), split, **{"class": "abc"[n % 3]})
        for n, split in enumerate(["train"] * 400 + ["validation"] * 40)
    ]
    digest = Path(write(tmp_path, rows)).name
    monkeypatch.setenv("LABELMILL_TRAINING_SETS", str(tmp_path))
    text = (ROOT / "docs/guides/training_sets.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    names: dict[str, object] = {}
    exec(code.replace("3f9a1c07", digest[:8]), names)
    images, _ = next(iter(names["batches"]))  # type: ignore[call-overload]
    assert images.shape == (64, 28, 28, 1)
    sizes = [len(images) for images, _ in names["held_out"]]  # type: ignore[attr-defined]
    assert sizes == [40]
    state = names["again"].state()  # type: ignore[attr-defined]
    assert (state["epoch"], state["batch"]) == (0, 6)

"""Every command of the README works, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.train


def commands(page: Path) -> list[str]:
    """The lines of all ```bash blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), flags=re.S | re.M)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.timeout(1200)
def test_the_jobs_by_use(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    jars = Path(os.environ["LABELMILL_HOME"]) / "jars"
    (home / "jars").symlink_to(jars.resolve())
    lines = commands(ROOT / "README.md")
    assert lines[0] == "bin/labelmill up"
    assert lines[-1] == "bin/labelmill down"
    outputs: dict[str, str] = {}
    environment = {**os.environ, "LABELMILL_HOME": str(home)}
    try:
        for line in lines:
            # What the README writes to /tmp goes to this test's own folder.
            answer = subprocess.run(
                ["bash", "-c", line.replace("/tmp/", f"{tmp_path}/")],
                capture_output=True,
                text=True,
                timeout=300,
                cwd=ROOT,
                env=environment,
            )
            assert answer.returncode == 0, f"{line}\n{answer.stdout}\n{answer.stderr}"
            outputs[line] = answer.stdout
    finally:
        subprocess.run(
            [ROOT / "bin" / "labelmill", "down"], env=environment, timeout=120, check=True
        )
    assert (tmp_path / "digits.html").read_text().count("<svg") >= 3
    (by_version,) = (text for line, text in outputs.items() if "from labels" in line)
    assert "accepted" in by_version
    counts = [text for line, text in outputs.items() if "from truth" in line]
    # Zeros among scikit-learn's digits.
    assert counts
    assert all("178" in text for text in counts)

"""The built wheel, used on its own: no checkout, no TensorFlow, no network."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Everything that the extra `train` brings; the base install must do without.
LEARNING = ("tensorflow", "keras", "onnx", "tf2onnx")

# Hides what is not in the base install, then imports every module but those of learning.
IMPORT_ALL = f"""
import importlib, importlib.abc, pkgutil, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {LEARNING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (hidden)", name=name)

sys.meta_path.insert(0, Hidden())
import labelmill
assert labelmill.__file__.startswith(sys.argv[1]), labelmill.__file__
names = [m.name for m in pkgutil.walk_packages(labelmill.__path__, "labelmill.")]
names = [n for n in names if not n.startswith("labelmill.learning.") and not n.endswith("__main__")]
assert len(names) > 40, names
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout, without build isolation: that would need the network."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content and nothing else."""
    place = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(place), str(wheel)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place


def run(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # PYTHONPATH comes before the editable install of the checkout; the first test checks that.
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(installed), "HOME": str(cwd)},
    )  # fmt: skip


def test_every_module_but_learning_imports_without_tensorflow(
    installed: Path, tmp_path: Path
) -> None:
    answer = run(installed, "-c", IMPORT_ALL, str(installed), cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr


def test_the_base_install_does_not_ask_for_tensorflow(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    base = [line for line in required if "extra ==" not in line]
    names = {re.split(r"[^a-z0-9-]", line.split()[1].lower())[0] for line in base}
    assert {"pyspark", "onnxruntime", "jpype1"} <= names
    assert not names & {*LEARNING, "tensorflow-cpu"}
    assert [line for line in required if "tensorflow" in line and "train" in line]
    assert "License-Expression: Apache-2.0" in metadata


def test_an_installed_package_knows_its_jars_and_its_command(
    installed: Path, tmp_path: Path
) -> None:
    code = "from labelmill.devcluster.resolve import description as d; print(d('ivy.xml'), d('ivysettings.xml'))"
    answer = run(installed, "-c", code, cwd=tmp_path)
    assert answer.stdout.split() == [
        f"{installed}/labelmill/devcluster/{name}" for name in ("ivy.xml", "ivysettings.xml")
    ]
    code = "from labelmill.sql.named_slices import folder; from labelmill.settings import load; print(folder(load()))"
    answer = run(installed, "-c", code, cwd=tmp_path)
    assert answer.stdout.strip() == f"{installed}/labelmill/slices", answer.stderr
    assert {path.name for path in (installed / "labelmill/slices").iterdir()} == {
        path.name for path in (ROOT / "conf/slices").iterdir()
    }
    answer = run(installed, "-m", "labelmill.cli.main", "--version", cwd=tmp_path)
    assert answer.stdout.strip() == "0.1.0", answer.stderr


def test_nothing_of_the_machine_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            assert str(ROOT).encode() not in archive.read(name), name
            assert name.split("/")[0].startswith("labelmill"), name

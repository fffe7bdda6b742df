"""Which pyspark a worker imports, and where the daemon can start at all."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

import pytest

from labelmill.spark.worker_daemon import can_start, installed_path


@pytest.fixture
def path(tmp_path: Path) -> list[str]:
    """As Spark makes it: the worker's folder, Spark's archives, what is installed."""
    installed = tmp_path / "site-packages"
    for name in ("pyspark", "py4j"):
        (installed / name).mkdir(parents=True)
        (installed / name / "__init__.py").touch()
    (installed / "pyspark" / "version.py").write_text("__version__ = '3.5.7'\n")
    archives = [
        tmp_path / name for name in ("pyspark.zip", "py4j-0.10-src.zip", "spark-core_2.jar")
    ]
    for archive in archives:
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("pyspark/version.py", "__version__ = '3.5.7'\n")
    return ["", *map(str, archives), str(tmp_path / "mine.zip"), str(installed)]


def test_the_installed_pyspark_comes_before_the_same_one_in_an_archive(path: list[str]) -> None:
    assert installed_path(path) == ["", *path[4:]]


@pytest.mark.parametrize("missing", ["pyspark", "py4j", "same version", "readable archive"])
def test_otherwise_the_path_stays(path: list[str], missing: str) -> None:
    installed = Path(path[-1])
    if missing == "same version":
        (installed / "pyspark" / "version.py").write_text("__version__ = '3.5.6'\n")
    elif missing == "readable archive":
        Path(path[1]).write_bytes(b"cut off")
    else:
        (installed / missing).rename(installed / "other")
    assert installed_path(path) == path


def test_a_path_without_archives_stays() -> None:
    assert installed_path(["", "lib"]) == ["", "lib"]


def test_only_the_python_of_this_process_is_known_to_have_it(tmp_path: Path) -> None:
    assert can_start(sys.executable)
    other = tmp_path / "python"
    other.symlink_to(os.path.realpath(sys.executable))
    assert not can_start(str(other)), "another environment, maybe of the same Python"
    assert not can_start(str(tmp_path / "none"))

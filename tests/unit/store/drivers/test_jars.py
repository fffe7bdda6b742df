"""Where the Java client's jar is found."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from labelmill.errors import StoreError
from labelmill.settings import load
from labelmill.store.drivers.jars import kudu_jar


@pytest.fixture(autouse=True)
def _no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    # A session that other tests have opened would be asked first.
    monkeypatch.delitem(sys.modules, "pyspark.files", raising=False)


def test_named_jar_wins_and_must_be_there(tmp_path: Path) -> None:
    folder = _jars(tmp_path / "jars" / "spark")
    mine = _jars(tmp_path / "mine")
    settings = load(home=tmp_path, kudu_jar=str(mine[0]))
    assert kudu_jar(settings) == mine
    assert kudu_jar(load(home=tmp_path)) == folder
    with pytest.raises(StoreError, match=r"kudu_jar names .*absent.jar', which is not a file"):
        kudu_jar(load(home=tmp_path, kudu_jar=str(tmp_path / "absent.jar")))


def test_slf4j_comes_from_pyspark_when_not_beside(tmp_path: Path) -> None:
    connector, slf4j = _jars(tmp_path / "jars" / "spark")
    slf4j.unlink()
    found = kudu_jar(load(home=tmp_path))
    assert found[0] == connector
    assert found[1].name.startswith("slf4j-api-")
    assert "pyspark" in str(found[1])


def test_jar_among_sparks_own_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    of_spark = _jars(tmp_path / "spark" / "jars")
    assert kudu_jar(load(home=tmp_path)) == of_spark
    ours = _jars(tmp_path / "jars" / "spark")
    assert kudu_jar(load(home=tmp_path)) == ours


def test_absent_jar_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StoreError, match=rf"{tmp_path}/jars/spark.*bin/setup.*LABELMILL_KUDU_JAR"):
        kudu_jar(load(home=tmp_path))


def test_files_of_a_worker_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = _jars(tmp_path / "shipped")
    _jars(tmp_path / "jars" / "spark")

    class SparkFiles:
        _is_running_on_worker = True

        @staticmethod
        def getRootDirectory() -> str:
            return str(tmp_path / "shipped")

    module = ModuleType("pyspark.files")
    module.SparkFiles = SparkFiles  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyspark.files", module)
    assert kudu_jar(load(home=tmp_path)) == shipped


def _jars(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    found = [folder / "kudu-spark3_2.12-1.18.1.jar", folder / "slf4j-api-1.7.36.jar"]
    for jar in found:
        jar.touch()
    return found

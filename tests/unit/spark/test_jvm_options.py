"""Whose JVM gets the options that bin/setup has chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmill.spark import jvm_options


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment as bin/setup leaves it."""
    monkeypatch.setattr(jvm_options, "JAVA", tmp_path / "java")
    monkeypatch.setattr(jvm_options, "OPTIONS", tmp_path / "options")
    monkeypatch.setenv("JAVA_HOME", "/java/17")
    (tmp_path / "java").write_text("/java/17\n")
    (tmp_path / "options").write_text("-XX:SharedArchiveFile=a.jsa\n")
    return tmp_path


def test_the_java_of_the_setup_gets_them(environment: Path) -> None:
    assert jvm_options.chosen() == "-XX:SharedArchiveFile=a.jsa"


def test_another_java_does_not(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/java/11")
    assert jvm_options.chosen() == ""


@pytest.mark.parametrize("missing", ["java", "options"])
def test_without_a_setup_there_are_none(environment: Path, missing: str) -> None:
    (environment / missing).unlink()
    assert jvm_options.chosen() == ""

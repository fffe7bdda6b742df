"""What the one-machine servers are made of, without starting them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labelmill.devcluster import server, trust
from labelmill.devcluster.java import find_java, java_home
from labelmill.devcluster.resolve import require_platform
from labelmill.errors import ClusterError


def test_a_server_is_known_by_what_it_runs_and_where(tmp_path: Path) -> None:
    def kafka(folder: Path, java: Path) -> server.Server:
        settings = f"{folder}/server.properties"
        arguments = ["-c", "input()", "kafka.Kafka", settings]
        return server.Server(
            "kafka", java, arguments, folder, "127.0.0.1", (1,), main="kafka.Kafka"
        )

    folder = tmp_path / "a" / "servers" / "kafka"
    process = subprocess.Popen(
        [sys.executable, *kafka(folder, Path()).arguments], stdin=subprocess.PIPE
    )
    try:
        found = server.find(kafka(folder, tmp_path / "another" / "java"))
        assert found is not None, "started by another Java"
        assert found.pid == process.pid
        inner = Path(str(folder).removeprefix(str(tmp_path)))
        assert server.find(kafka(inner, Path(sys.executable))) is None, "a home that ends alike"
        assert server.find(kafka(folder.parent / "kaf", Path(sys.executable))) is None
    finally:
        process.communicate(b"\n")


def test_other_platforms_are_told_what_to_use() -> None:
    require_platform("Linux", "x86_64")
    for system, machine in (("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")):
        with pytest.raises(ClusterError, match=rf"{system} {machine}.*LABELMILL_KUDU_MASTERS=HOST"):
            require_platform(system, machine)


def test_the_trust_store_is_one_that_java_reads(tmp_path: Path) -> None:
    keytool = java_home() / "bin" / "keytool"
    if not keytool.is_file():
        pytest.skip(f"no keytool beside {java_home()}: this Java is a runtime only")
    certificates = trust.authorities()
    if not certificates:
        pytest.skip("this machine has no bundle of certificates")
    store = tmp_path / "authorities.jks"
    store.write_bytes(trust.key_store(certificates))
    listed = subprocess.run(
        [str(keytool), "-list", "-keystore", str(store), "-storepass", trust.PASSWORD],
        capture_output=True, text=True,
    )  # fmt: skip
    assert f"contains {len(certificates)} entries" in listed.stdout


def test_a_java_that_is_too_new_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "bin" / "java"
    new.parent.mkdir()
    new.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    new.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    find_java.cache_clear()
    assert find_java() != new
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    find_java.cache_clear()
    with pytest.raises(
        ClusterError, match=r"expected version 11 or 17, found .*version 21.*bin/setup"
    ):
        find_java()
    find_java.cache_clear()

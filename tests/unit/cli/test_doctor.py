"""What doctor reports, and the fix that it names."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from labelmill.cli import doctor
from labelmill.settings import Settings


@pytest.fixture
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_every_address_must_answer(listening: str) -> None:
    assert doctor.reachable("Kudu", listening).ok
    assert doctor.reachable("Kudu", f"{listening}, {listening}").ok
    silent = free_address()
    found = doctor.reachable("Kudu", f"{listening},{silent}")
    assert (found.ok, found.text) == (False, f"nothing answers at {silent}")
    assert "labelmill up" in found.fix


@pytest.mark.parametrize("address", ["kudu", "kudu:", ":7051", "kudu:port", ""])
def test_what_is_no_address(address: str) -> None:
    found = doctor.reachable("Kudu", address)
    assert (found.ok, found.fix) == (False, "write it as HOST:PORT")
    assert repr(address) in found.text


def test_a_home_without_jars_disk_or_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 30))
    memory = SimpleNamespace(available=5 << 30)
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: memory)
    settings = Settings(home=tmp_path / "new" / "home")
    found = {finding.subject: finding for finding in doctor.findings(settings)}
    assert [name for name in ("jars", "disk", "memory") if found[name].ok] == []
    assert found["disk"].text == f"1.0 GiB free at {tmp_path}", "the nearest folder that exists"
    assert "free 3 GiB" in found["disk"].fix
    assert "local[1]" in found["memory"].fix
    assert found["Python"].ok
    assert all(bool(finding.fix) is not finding.ok for finding in found.values())


def test_servers_that_do_not_run_are_no_fault(tmp_path: Path) -> None:
    found = {finding.subject: finding for finding in doctor.findings(Settings(home=tmp_path))}
    assert found["Kudu"].ok
    assert found["Kafka"].ok
    assert "labelmill up" in found["Kudu"].text


def test_own_servers_need_no_platform(tmp_path: Path, listening: str) -> None:
    settings = Settings(home=tmp_path, kudu_masters=listening, kafka_brokers=free_address())
    found = {finding.subject: finding for finding in doctor.findings(settings)}
    assert "your own servers" in found["platform"].text
    assert (found["Kudu"].ok, found["Kafka"].ok) == (True, False)

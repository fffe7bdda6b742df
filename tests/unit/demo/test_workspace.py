"""The demo's home: one demo at a time, and signals that wait while it cleans up."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from labelmill.demo.workspace import exclusive_home, ignore_signals, servers
from labelmill.errors import ClusterError, InputError
from labelmill.settings import Settings


def test_a_home_is_empty_and_exclusive(tmp_path: Path) -> None:
    base = Settings(home=tmp_path / "home")
    with exclusive_home(base) as home:
        (home / "left").write_text("x")
        with pytest.raises(ClusterError, match="another demo is running"), exclusive_home(base):
            pass
    with exclusive_home(base) as home:
        assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("named", "missing"), [("kudu_masters", "KAFKA_BROKERS"), ("kafka_brokers", "KUDU_MASTERS")]
)
def test_own_servers_come_in_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, missing: str
) -> None:
    monkeypatch.setattr("labelmill.demo.workspace.resolve.jars_of", lambda *_: None)
    base = Settings(home=tmp_path, **{named: "host:1"})  # type: ignore[arg-type]
    with (
        pytest.raises(InputError, match=f"set LABELMILL_{missing} too"),
        servers(base, tmp_path, False, print),
    ):
        pass


def test_own_servers_get_tables_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelmill.demo.workspace.resolve.jars_of", lambda *_: None)
    monkeypatch.setattr("getpass.getuser", lambda: "Änne-Marie 7")
    base = Settings(home=tmp_path, kudu_masters="k:1", kafka_brokers="b:1")
    with servers(base, tmp_path / "demo", False, print) as settings:
        assert settings.table_prefix == "labelmill_demo_nnemarie7_"
        assert (settings.masters(), settings.brokers()) == ("k:1", "b:1")
        assert settings.home == tmp_path / "demo"


def test_a_second_ctrl_c_does_not_cut_the_cleanup_short() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ignore_signals():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before

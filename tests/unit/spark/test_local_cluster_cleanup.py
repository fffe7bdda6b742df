"""Folders that local-cluster leaves: ended ones go, running and young ones stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from labelmill.spark import local_cluster_cleanup


def application(home: Path, name: str, age: float) -> Path:
    folder = home / "work" / name
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "connector.jar").write_bytes(b"jar")
    local_cluster_cleanup.mark(name, home)
    past = folder.stat().st_mtime - age
    os.utime(home / "work" / f"{local_cluster_cleanup.MARK}{name}", (past, past))
    return folder


def test_removes_only_what_has_ended(tmp_path: Path) -> None:
    ended = application(tmp_path, "app-1", 600)
    running = application(tmp_path, "app-2", 600)
    young = application(tmp_path, "app-3", 0)
    others = application(tmp_path, "app-4", 600)
    (tmp_path / "work" / f"{local_cluster_cleanup.MARK}app-4").unlink()
    executor = subprocess.Popen(
        [sys.executable, "-c", "input()"], cwd=running / "0", stdin=subprocess.PIPE
    )
    try:
        assert local_cluster_cleanup.clear(tmp_path) == ["app-1"]
    finally:
        executor.communicate(b"\n")
    assert not ended.exists()
    assert running.exists()
    assert young.exists()
    assert others.exists(), "a standalone worker's"
    assert not list((tmp_path / "work").glob(".*app-1")), "marks do not pile up"


def test_an_executor_that_cannot_be_seen_may_be_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = application(tmp_path, "app-1", 600)

    class Unseen:
        def cwd(self) -> str:
            raise psutil.AccessDenied(1)

        def name(self) -> str:
            return "java"

        def uids(self) -> SimpleNamespace:
            return SimpleNamespace(real=os.getuid())

    monkeypatch.setattr(psutil, "process_iter", lambda: iter([Unseen()]))
    assert local_cluster_cleanup.clear(tmp_path) == []
    assert ended.exists()


def test_makes_the_folder_before_two_workers_want_to(tmp_path: Path) -> None:
    assert local_cluster_cleanup.clear(tmp_path) == []
    assert (tmp_path / "work").is_dir()

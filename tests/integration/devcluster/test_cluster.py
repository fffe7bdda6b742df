"""The one-machine servers, run as users run them: by the command, in own processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from labelmill.devcluster import DevCluster, addresses, kafka
from labelmill.devcluster.resolve import jars_of

ALL_OF_ONE = ["kudu-master", "kudu-tserver-1", "kafka"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A new home on free ports; whatever a failed test left running is stopped."""
    place = tmp_path / "home"
    jars_of(place)
    addresses.save(place, addresses.choose(1, usual=False))
    yield place
    for process in servers_of(place):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def servers_of(home: Path) -> list[psutil.Process]:
    """Every process whose command line names the home, found without the code under test."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if any(f"{home}/servers" in part for part in line) and process.status() != "zombie":
                found.append(process)
    return found


def labelmill(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "labelmill.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def run(*arguments: object) -> tuple[int, str, str]:
    return finished(labelmill(*arguments))


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def pids(home: Path) -> dict[str, int]:
    code, out, err = run("status", "--home", home, "--json")
    assert code in (0, 9), err
    return {server["name"]: server["pid"] for server in json.loads(out) if server["pid"]}


def test_a_home_from_first_start_to_last_stop(home: Path) -> None:
    _leave_half_of_a_first_start(home)
    both = [labelmill("up", "--home", home) for _ in range(2)]
    outcomes = [finished(process) for process in both]
    assert [(code, err) for code, _, err in outcomes] == [(0, ""), (0, "")], outcomes
    assert sum("Started" in out for _, out, _ in outcomes) == 1, "two at once start one set"
    assert sum("All servers are already running" in out for _, out, _ in outcomes) == 1
    first = pids(home)
    assert list(first) == ALL_OF_ONE
    assert len(servers_of(home)) == len(ALL_OF_ONE)
    announced = json.loads((home / "cluster.json").read_text())
    assert announced["pids"] == first
    _assert_only_this_machine_is_answered(home, announced)
    mine = os.getsid(0)
    assert all(os.getsid(pid) != mine for pid in first.values()), "Ctrl-C would reach them"

    cluster = DevCluster(home)
    make = ["perf", "loadgen", "--num_rows_per_thread=100", "--num_threads=1", "--keep_auto_table"]
    loaded = cluster.kudu_tool(*make[:2], cluster.kudu_masters, *make[2:])
    assert loaded.returncode == 0, loaded.stderr
    table = cluster.kudu_tool("table", "list", cluster.kudu_masters).stdout
    assert table

    os.kill(first["kudu-tserver-1"], signal.SIGKILL)
    wait_for(lambda: cluster.status()[1].pid is None)
    code, out, err = run("status", "--home", home)
    assert code == 9
    assert "kudu-tserver-1 is down; `labelmill up` restarts it" in err
    code, out, err = run("up", "--home", home)
    assert code == 0, (out, err)
    assert "Started kudu-tserver-1 in" in out
    again = pids(home)
    assert {**again, "kudu-tserver-1": 0} == {**first, "kudu-tserver-1": 0}

    os.kill(again["kafka"], signal.SIGKILL)
    process = labelmill("down", "--home", home)
    wait_for(lambda: not (home / "cluster.json").exists())
    process.send_signal(signal.SIGINT)
    assert finished(process)[0] == 130
    assert servers_of(home) == [], "an interrupted down goes to its end"
    code, out, _ = run("down", "--home", home)
    assert (code, out) == (0, "Nothing was running.\n")
    code, _, err = run("status", "--home", home)
    assert code == 9
    assert "start them with `labelmill up`" in err

    recorded = addresses.load(home)
    assert recorded is not None
    with socket.create_server(("127.0.0.1", recorded.master_rpc)):
        code, _, err = run("up", "--home", home)
        assert code == 9
        assert f"127.0.0.1:{recorded.master_rpc}, which is taken by process {os.getpid()}" in err
        assert "--home DIR" in err
    assert servers_of(home) == []
    with socket.create_server(("127.0.0.1", recorded.kafka)), cluster:
        assert cluster.kafka_brokers != recorded.kafka_brokers
        assert cluster.kudu_masters == recorded.kudu_masters
        assert cluster.kudu_tool("table", "list", cluster.kudu_masters).stdout == table
    assert servers_of(home) == []


def _leave_half_of_a_first_start(home: Path) -> None:
    for part in ("wal", "data"):
        folder = home / "servers" / "kudu-master" / part
        folder.mkdir(parents=True)
        (folder / "instance").write_bytes(b"half")


def _assert_only_this_machine_is_answered(home: Path, announced: dict[str, str]) -> None:
    for key in ("kudu_masters", "kafka_brokers"):
        host, port = announced[key].split(":")
        with socket.create_connection((host, int(port)), timeout=5):
            assert host == "127.0.0.1"
    for process in servers_of(home):
        for listening in process.net_connections("tcp"):
            if listening.status == "LISTEN":
                address = listening.laddr.ip.removeprefix("::ffff:")
                assert address.startswith("127."), process.cmdline()[0]


@pytest.mark.parametrize(
    ("numbers", "code"),
    [((signal.SIGINT,), 130), ((signal.SIGTERM, signal.SIGINT), 143), ((signal.SIGHUP,), 143)],
)
def test_interrupted_up_leaves_nothing(
    home: Path, numbers: tuple[signal.Signals, ...], code: int
) -> None:
    process = labelmill("up", "--home", home)
    wait_for(lambda: bool(servers_of(home)))
    for number in numbers:
        process.send_signal(number)
    ended, _, err = finished(process)
    assert ended == code or (len(numbers) > 1 and ended == 130), err
    assert "Traceback" not in err
    assert servers_of(home) == []
    assert not (home / "cluster.json").exists()


def test_up_after_an_up_that_was_killed(home: Path) -> None:
    taken = addresses.load(home)
    assert taken is not None
    # Nothing of Kudu exists yet, so nothing ties it to a port that somebody has.
    with socket.create_server(("127.0.0.1", taken.master_rpc)):
        process = labelmill("up", "--home", home)
        wait_for(lambda: bool(servers_of(home)))
        process.kill()
        finished(process)
        # Kafka's formatter may be among them: it ends by itself.
        left = {p.pid for p in servers_of(home) if kafka.FORMATTER not in p.cmdline()}
        assert left
        code, _, err = run("up", "--home", home)
        assert code == 0, err
        assert left <= set(pids(home).values()), "what runs is taken over, not started twice"
        assert run("down", "--home", home)[0] == 0
    assert servers_of(home) == []


def test_three_tablet_servers_and_no_way_back(home: Path) -> None:
    with DevCluster(home, tservers=3) as cluster:
        assert len(cluster.status()) == 5
        healthy = cluster.kudu_tool("cluster", "ksck", cluster.kudu_masters)
        assert healthy.returncode == 0
        cluster.kill_tserver(2)
        assert [s.name for s in cluster.status() if s.pid is None] == ["kudu-tserver-2"]
    assert servers_of(home) == []
    code, _, err = run("up", "--home", home, "--tservers", 1)
    assert code == 2
    assert "this home has 3 tablet servers, but 1 was requested" in err


def test_a_server_that_ends_shows_its_log(home: Path) -> None:
    (home / "servers" / "kudu-master").mkdir(parents=True)
    (home / "servers" / "kudu-master" / "data").write_text("not a folder")
    code, _, err = run("up", "--home", home)
    assert code == 9
    assert "kudu-master ended" in err
    assert f"from {home}/servers/kudu-master/" in err
    assert "data" in err
    assert servers_of(home) == []


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("up", "--home", tmp_path / "file" / "home")
    assert code == 9
    assert "cannot be written" in err


def test_damaged_record_of_addresses(home: Path) -> None:
    (home / addresses.FILE).write_text("{")
    code, _, err = run("up", "--home", home)
    assert code == 9
    assert "is damaged" in err
    assert "start over" in err


def test_own_servers_are_never_started(home: Path) -> None:
    code, out, _ = run(
        "up", "--home", home, "--kudu-masters", "k1:7051,k2:7051", "--kafka-brokers", "b:9092"
    )
    assert code == 0
    assert "your own at k1:7051,k2:7051" in out
    assert "Nothing is started." in out
    assert servers_of(home) == []
    with socket.create_server(("127.0.0.1", 0)) as alive:
        port = alive.getsockname()[1]
        own = ["--kudu-masters", f"127.0.0.1:{port}", "--kafka-brokers", f"127.0.0.1:{port}"]
        assert run("status", "--home", home, *own)[0] == 0
    code, _, err = run("status", "--home", home, *own)
    assert code == 9
    assert f"nothing answers at 127.0.0.1:{port}" in err

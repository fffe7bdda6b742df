"""Kudu on one machine: unpack the binaries, describe the servers, check their health."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Literal

from labelmill.devcluster import ports
from labelmill.devcluster.addresses import Addresses
from labelmill.devcluster.server import Server
from labelmill.errors import ClusterError

MIB = 1 << 20

# Each daemon would take 80 % of the machine's memory unless told otherwise.
MASTER_MEMORY_MIB = 768
TSERVER_MEMORY_MIB = {1: 2048, 3: 1024}
BLOCK_CACHE_MIB = 192

# Sixteen tables of four buckets plus a test suite's prefixes; the default of 60 is for large
# tables on many servers.
TABLETS_PER_CREATE = 300


def unpack(jar: Path, into: Path) -> Path:
    """Unpacks the binaries once; a half-done copy is never seen.

    Returns:
        The folder with ``bin``, ``lib`` and ``www``.

    Raises:
        ClusterError: The jar is damaged or the disk is full.
    """
    target = into / jar.stem.replace("-linux-x86_64", "").replace("kudu-binary", "kudu")
    if target.is_dir():
        return target
    partial = Path(tempfile.mkdtemp(prefix=target.name + ".partial-", dir=into))
    try:
        with zipfile.ZipFile(jar) as archive:
            archive.extractall(partial)
        (top,) = [folder for folder in partial.iterdir() if (folder / "bin").is_dir()]
        for program in (top / "bin").iterdir():
            program.chmod(0o755)  # a jar keeps no run bits
        try:
            top.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was first, which is just as well
                raise
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ClusterError(f"{jar} could not be unpacked into {into}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def environment(programs: Path) -> dict[str, str]:
    """Variables for the daemons and the tool only: the jar brings its own libraries and SASL."""
    return {
        "LD_LIBRARY_PATH": str(programs / "lib"),
        "SASL_PATH": str(programs / "lib" / "sasl2"),
    }


def block_manager(folder: Path) -> Literal["log", "file"]:
    """``log`` where the file system of ``folder`` can punch holes, else ``file``."""
    keep_size_and_punch = 0x01 | 0x02
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\1" * 16384)
        file.flush()
        libc = ctypes.CDLL(None, use_errno=True)
        offset, length = ctypes.c_int64(4096), ctypes.c_int64(4096)
        failed = libc.fallocate(file.fileno(), keep_size_and_punch, offset, length)
    return "file" if failed else "log"


def servers(programs: Path, home: Path, addresses: Addresses) -> list[Server]:
    """The master and the tablet servers, in the order to start them."""
    root = home / "servers"
    one = "127.0.0.1"
    master = _daemon(
        programs, "kudu-master", root / "kudu-master", one,
        (addresses.master_rpc, addresses.master_web), MASTER_MEMORY_MIB, addresses,
        [f"--max_create_tablets_per_ts={TABLETS_PER_CREATE}",
         f"--default_num_replicas={3 if addresses.tservers >= 3 else 1}"],
    )  # fmt: skip
    memory = TSERVER_MEMORY_MIB.get(addresses.tservers, min(TSERVER_MEMORY_MIB.values()))
    return [master] + [
        _daemon(
            programs, "kudu-tserver", root / f"kudu-tserver-{number}", ports.host(number),
            (addresses.tserver_rpc, addresses.tserver_web), memory, addresses,
            [f"--tserver_master_addrs={addresses.kudu_masters}",
             # Two fifths of a photograph's write would go into packing a log that is soon dropped.
             "--unlock_experimental_flags",
             "--log_compression_codec=no_compression"],
        )
        for number in range(1, addresses.tservers + 1)
    ]  # fmt: skip


def _daemon(
    programs: Path,
    program: str,
    folder: Path,
    address: str,
    listens: tuple[int, int],
    memory_mib: int,
    addresses: Addresses,
    extra: list[str],
) -> Server:
    rpc, web = listens
    arguments = [
        # Needs no NTP and keeps snapshot scans, which --use_hybrid_clock=false would break.
        "--unlock_unsafe_flags",
        "--time_source=system_unsync",
        f"--fs_wal_dir={folder}/wal",
        f"--fs_data_dirs={folder}/data",
        f"--log_dir={folder}/log",
        f"--block_manager={addresses.block_manager}",
        f"--rpc_bind_addresses={address}:{rpc}",
        f"--webserver_interface={address}",
        f"--webserver_port={web}",
        f"--webserver_doc_root={programs / 'www'}",
        f"--memory_limit_hard_bytes={memory_mib * MIB}",
        f"--block_cache_capacity_mb={BLOCK_CACHE_MIB}",
        "--max_log_files=3",
        "--max_log_size=32",
        *extra,
    ]
    (folder / "log").mkdir(parents=True, exist_ok=True)
    return Server(
        name=folder.name,
        program=programs / "bin" / program,
        arguments=arguments,
        folder=folder,
        address=address,
        ports=(rpc, web),
        environment=environment(programs),
    )


def tool(
    programs: Path, *arguments: str, seconds: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Runs the ``kudu`` tool and returns its output, whatever its exit code."""
    return subprocess.run(
        [str(programs / "bin" / "kudu"), *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        env={**os.environ, **environment(programs)},
    )


def is_healthy(programs: Path, addresses: Addresses) -> tuple[bool, str]:
    """Whether ``kudu cluster ksck`` succeeds and sees every tablet server, and its output."""
    try:
        answer = tool(programs, "cluster", "ksck", addresses.kudu_masters, seconds=30)
    except subprocess.TimeoutExpired:
        return False, "ksck did not answer in 30 s"
    text = answer.stdout + answer.stderr
    seen = sum(text.count(f"{ports.host(n)}:{addresses.tserver_rpc} | HEALTHY")
               for n in range(1, addresses.tservers + 1))  # fmt: skip
    return answer.returncode == 0 and seen >= addresses.tservers, text

"""Shares a training set's files with the executors."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from pyspark import SparkContext, SparkFiles


def shared_shards(context: SparkContext, shards: Sequence[str], digest: str) -> tuple[str, ...]:
    """Makes shards available to executors; returns the names that `shard_path` resolves there.

    Local files are sent through Spark. Their names contain the digest, because two training sets in one
    session need different names. Sharing a training set again in the same session costs nothing. In ``local[…]`` mode, and for URIs, the paths are enough.
    """
    one_machine = str(context.master).startswith("local") and "cluster" not in str(context.master)
    if any("://" in shard for shard in shards):
        return tuple(shards)
    if one_machine:
        return tuple(os.path.abspath(shard) for shard in shards)
    # Executors fetch a file when their next task starts, so it must live as long as the session. Spark
    # deletes its own folder of files when it stops.
    folder = Path(SparkFiles.getRootDirectory()) / "labelmill-shards"
    folder.mkdir(exist_ok=True)
    names = []
    for shard in shards:
        name = f"{digest[:16]}-{os.path.basename(shard)}"
        if not (folder / name).exists():
            _link(Path(shard), folder / name)
            context.addFile(str(folder / name))
        names.append(name)
    return tuple(names)


def shard_path(name: str) -> str:
    """The path or URI of a shard on an executor, from its name by `shared_shards`."""
    return name if "/" in name else SparkFiles.get(name)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)

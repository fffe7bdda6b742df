"""Ingest as a process: killed half-way and run again gives the rows of an undisturbed run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from labelmill.domain.row_digest import rows_digest
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATIONS, IMAGE_CHUNKS, IMAGES, QUARANTINE
from tests.conftest import ROOT, Servers
from tests.helpers.image_folders import write_bad_files, write_image_folder
from tests.helpers.processes import running
from tests.helpers.streams import until

FILES = 40_000
"""So many that there is a middle to kill it in."""


def test_killed_half_way_and_run_again(
    settings: Settings,
    client: RowClient,
    cluster: Servers,
    submit: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    source = write_image_folder(tmp_path / "images", images=FILES, classes="abcde")
    write_bad_files(source)
    client.ensure(IMAGES)
    job = ["--master", "local[2]", "jobs/ingest_images.py", str(source), "--collection"]
    with running([str(ROOT / "bin" / "submit"), *job, "killed"], settings, cluster):
        until(lambda: any(client.scan(IMAGES, ["image_id"])), 180)
    there = len(list(client.scan(IMAGES, ["image_id"], {"collection": "killed"})))
    assert 0 < there < FILES, "killed in the middle of writing"

    submit(*job, "killed", "--report", tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())["results"]
    assert again["already_there"] >= there
    assert again["new"] + again["already_there"] == FILES
    submit("--master", "local-cluster[2,1,1024]", *job[2:], "undisturbed")
    assert _digest(client, "killed") == _digest(client, "undisturbed")


def _digest(client: RowClient, collection: str) -> str:
    # The collection's name is part of each row; the rest must be the same.
    parts = []
    for table in (IMAGES, IMAGE_CHUNKS, ANNOTATIONS, QUARANTINE):
        names = [c.name for c in table.columns if c.type != "timestamp" and c.name != "collection"]
        rows = client.scan(table, names, {"collection": collection})
        parts.append(rows_digest([row[name] for name in names] for row in rows))
    return "/".join(parts)

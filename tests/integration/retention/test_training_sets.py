"""Training sets are listed and removed: real rows, real files, and interrupted removals."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from labelmill.errors import InputError
from labelmill.retention.training_sets import known, prune
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import EVALUATIONS, MODELS, SWEEPS, TRAINING_SETS
from labelmill.training_sets.registry import measured_on
from labelmill.training_sets.removal import remove_files, size_of

NOW = datetime.now(timezone.utc)
FILES = ("manifest.json", "test-00000.arrow", "train-00000.arrow", "train-00001.arrow")


def write_set(client: RowClient, root: Path, letter: str, name: str, days: float = 0) -> Path:
    """A folder like a frozen one, and its row."""
    place = root / (letter * 64)
    place.mkdir(parents=True)
    for file in FILES:
        (place / file).write_bytes(b"x" * 100)
    client.ensure(TRAINING_SETS)
    row = {
        "digest": place.name, "name": name, "sql": "select 1", "snapshot_ms": 1, "rows": 7,
        "location": str(place), "classes": "[]", "histogram": "{}",
        "created_at": NOW - timedelta(days=days),
    }  # fmt: skip
    client.write(TRAINING_SETS, [row])
    return place


def write_users(client: RowClient) -> None:
    """A model of ``a``, an evaluation on ``b``, a running sweep on ``c``, an ended one on ``d``."""
    for table in (MODELS, EVALUATIONS, SWEEPS):
        client.ensure(table)
    model = {
        "model": "small", "version": 3, "family": "softmax", "parameters": "{}",
        "preparation": "[]", "classes": "[]", "training_set": "a" * 64, "sha256": "0",
        "bytes": 1, "chunks": 1, "created_at": NOW,
    }  # fmt: skip
    client.write(MODELS, [model])
    measured = {
        "model": "other", "version": 1, "slice_digest": "0",
        "slice": measured_on("b" * 64, "test"), "rows": 1, "accuracy": 1.0,
        "precision_macro": 1.0, "recall_macro": 1.0, "f1_macro": 1.0, "per_class": "[]",
        "confusion": "{}", "reasons": "[]", "evaluated_at": NOW,
    }  # fmt: skip
    client.write(EVALUATIONS, [measured])
    for letter, state in (("c", "running"), ("d", "done")):
        sweep = {
            "sweep_id": letter, "name": f"sweep-{letter}", "model": "m",
            "training_set": letter * 64, "plan": "{}", "first_version": 1, "trials": 1,
            "state": state, "created_at": NOW,
        }  # fmt: skip
        client.write(SWEEPS, [sweep])


Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command_removes_what_nobody_points_to(
    labelmill: Command,
    client: RowClient,
    tmp_path: Path,
) -> None:
    places = {
        letter: write_set(client, tmp_path, letter, "digits", days)
        for letter, days in (("a", 9), ("b", 8), ("c", 7), ("d", 6), ("e", 0))
    }
    write_users(client)
    listed = [json.loads(line) for line in labelmill("slice", "sets", "--json").stdout.splitlines()]
    assert [row["digest"][0] for row in listed] == list("edcba")
    assert listed[-1]["used_by"] == ["small 3"]
    assert {row["bytes"] for row in listed} == {400}

    asked = labelmill("prune", "training-sets", "--older-than", "5")
    assert asked.returncode == 2
    assert "add --yes" in asked.stderr
    dry = labelmill("prune", "training-sets", "--older-than", "5", "--dry-run", "--json")
    assert [json.loads(line)["digest"][0] for line in dry.stdout.splitlines()] == ["d"]
    assert all(place.is_dir() for place in places.values())

    done = labelmill("prune", "training-sets", "--older-than", "5", "--yes")
    assert done.returncode == 0, done.stderr
    for said in (
        f"kept: digits {'a' * 12}, used by small 3 (--force removes it)",
        f"kept: digits {'b' * 12}, used by evaluation of other 1",
        f"kept: digits {'c' * 12}, used by running sweep sweep-c",
        f"removed: training set digits {'d' * 12}",
    ):
        assert said in done.stderr
    assert sorted(letter for letter, place in places.items() if place.exists()) == list("abce")
    assert [one.digest[0] for one in known(client)] == list("ecba")

    forced = labelmill(
        "prune", "training-sets", "--keep", "1", "--name", "digits", "--force", "--yes"
    )
    assert forced.returncode == 0, forced.stderr
    assert [path.name[0] for path in tmp_path.iterdir()] == ["e"]
    assert labelmill("prune", "training-sets").returncode == 2
    assert (
        labelmill("prune", "training-sets", "--keep", "0", "--name", "pets", "--yes").stdout
        == "none\n"
    )


def test_a_removal_that_broke_off_is_finished_by_the_next(
    client: RowClient, tmp_path: Path
) -> None:
    place = write_set(client, tmp_path, "a", "digits")
    write_users(client)
    (place / "manifest.json").unlink()
    (place / "test-00000.arrow").unlink()
    [one] = known(client)
    assert [gone.removed for gone in prune(client, [one], force=True)] == [True]
    assert not place.exists()
    assert known(client) == []
    # What stops it half-way, here something that is no file, leaves no training set and the row.
    stuck = write_set(client, tmp_path, "b", "digits")
    (stuck / "test-00000.arrow").unlink()
    (stuck / "test-00000.arrow").mkdir()
    [one] = known(client)
    with pytest.raises(InputError, match="cannot be removed"):
        remove_files(one.location, one.digest)
    assert not (stuck / "manifest.json").exists()
    (stuck / "test-00000.arrow").rmdir()
    assert [gone.removed for gone in prune(client, [one], force=True)] == [True]
    assert not stuck.exists()
    # Files that somebody has removed by hand leave a row, which goes as well.
    gone_by_hand = write_set(client, tmp_path, "d", "digits")
    for file in FILES:
        (gone_by_hand / file).unlink()
    gone_by_hand.rmdir()
    assert size_of(str(gone_by_hand)) is None
    [gone] = prune(client, known(client))
    assert (gone.removed, gone.note) == (True, f"there was no folder {gone_by_hand}")
    assert known(client) == []


def test_what_was_frozen_again_meanwhile_stays(client: RowClient, tmp_path: Path) -> None:
    again = write_set(client, tmp_path, "a", "digits", days=3)
    moved = write_set(client, tmp_path, "b", "digits", days=3)
    taken = write_set(client, tmp_path, "c", "digits", days=3)
    chosen = sorted(known(client), key=lambda one: one.digest)
    rows = {str(row["digest"])[0]: row for row in client.scan(TRAINING_SETS)}
    client.write(TRAINING_SETS, [
        {**rows["a"], "created_at": NOW},
        {**rows["b"], "location": str(tmp_path / "other" / moved.name)},
    ])  # fmt: skip
    client.write(TRAINING_SETS, [{"digest": taken.name}], "delete_ignore")
    told = list(prune(client, chosen, force=True))
    assert [gone.removed for gone in told] == [False, False, True]
    assert [gone.note.split(";")[0] for gone in told] == [
        *["frozen again meanwhile"] * 2, "already removed by another process",
    ]  # fmt: skip
    assert all(size_of(str(place)) == 400 for place in (again, moved, taken))


def test_who_came_to_use_it_meanwhile_keeps_it(client: RowClient, tmp_path: Path) -> None:
    place = write_set(client, tmp_path, "a", "digits")
    chosen = known(client)
    assert chosen[0].used_by == ()
    write_users(client)
    [gone] = prune(client, chosen)
    assert (gone.removed, gone.note) == (False, "now in use: small 3")
    assert size_of(str(place)) == 400


def test_only_what_a_freeze_writes_is_removed(client: RowClient, tmp_path: Path) -> None:
    place = write_set(client, tmp_path, "d", "digits")
    for theirs in ("notes.txt", "holidays-00000.arrow", "train-1.arrow"):
        (place / theirs).write_text("mine")
    [gone] = prune(client, known(client))
    assert gone.removed
    assert "other files stay" in gone.note
    assert sorted(path.name for path in place.iterdir()) == [
        "holidays-00000.arrow", "notes.txt", "train-1.arrow",
    ]  # fmt: skip


def test_files_that_are_out_of_reach_are_forgotten_only_by_force(
    labelmill: Command,
    client: RowClient,
    tmp_path: Path,
) -> None:
    elsewhere = write_set(client, tmp_path / "a", "a", "digits")
    wrong = write_set(client, tmp_path / "b", "b", "digits")
    there = tmp_path / "elsewhere"
    (tmp_path / "a").rename(there)
    row = next(client.scan(TRAINING_SETS, where={"digest": "b" * 64}))
    client.write(TRAINING_SETS, [{**row, "location": str(tmp_path)}])
    refused = labelmill("prune", "training-sets", "--keep", "0", "--yes")
    assert refused.returncode == 1
    assert "is not on this machine" in refused.stderr
    assert f"is not a folder named {'b' * 64}" in refused.stderr
    assert "2 of the things above were not removed" in refused.stderr
    assert len(known(client)) == 2
    forced = labelmill("prune", "training-sets", "--keep", "0", "--yes", "--force")
    assert forced.returncode == 0, forced.stderr
    assert known(client) == []
    assert size_of(str(wrong)) == 400
    assert size_of(str(there / elsewhere.name)) == 400


def test_any_place_that_pyarrow_reaches(tmp_path: Path) -> None:
    place = tmp_path / ("a" * 64)
    place.mkdir()
    for file in FILES:
        (place / file).write_bytes(b"x" * 10)
    assert size_of(place.as_uri()) == 40
    assert remove_files(place.as_uri(), place.name) == []
    assert not place.exists()
    assert remove_files(place.as_uri(), place.name) is None

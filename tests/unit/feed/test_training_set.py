"""Opening a training set: found, verified, mapped."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelmill.errors import ArtifactError, InputError
from labelmill.feed.files.columns import About
from labelmill.feed.files.manifest import MANIFEST
from labelmill.feed.rows.shards import open_files
from labelmill.feed.training_set import TrainingSet
from tests.helpers.training_sets import image_row, numbered, scattered, write

ROOT = Path(__file__).parents[3]


def test_a_digest_is_found_below_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = numbered(tmp_path / "sets")
    root = str(tmp_path / "sets")
    for named in (frozen.digest, frozen.digest[:6], frozen.location, f"file://{frozen.location}"):
        assert TrainingSet.open(named, root).digest == frozen.digest
    assert TrainingSet.open(frozen.digest[:8], f"file://{root}").digest == frozen.digest
    monkeypatch.setenv("LABELMILL_TRAINING_SETS", root)
    assert TrainingSet.open(frozen.digest[:6]).location == frozen.location
    shutil.copytree(frozen.location, tmp_path / "sets" / (frozen.digest[:8] + "f" * 56))
    with pytest.raises(InputError, match=r"matches .*; give more characters"):
        TrainingSet.open(frozen.digest[:7])
    with pytest.raises(InputError, match=r"no training set 'abcdef12' below .*slice sets"):
        TrainingSet.open("abcdef12")
    for named in ("abc", str(tmp_path)):
        with pytest.raises(InputError, match="holds no training set"):
            TrainingSet.open(named)


def test_shards_that_are_not_what_was_frozen_are_refused(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    shard = Path(frozen.files()[1])
    whole = shard.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for data, message in (
        (bytes(changed), "has SHA-256 .*…, expected"),
        (whole + b"\0", f"has {len(whole) + 1:,} bytes, expected {len(whole):,}"),
        (whole[:-1], f"has {len(whole) - 1:,} bytes"),
    ):
        shard.write_bytes(data)
        with pytest.raises(
            ArtifactError, match=f"train-00001.arrow of .* {message}.*freeze the slice"
        ):
            TrainingSet.open(frozen.location)
    shard.write_bytes(bytes(changed))
    TrainingSet.open(frozen.location, contents=False)
    shard.unlink()
    with pytest.raises(ArtifactError, match=r"train-00001.arrow .* is missing"):
        TrainingSet.open(frozen.location)


def test_a_manifest_that_says_other_classes_than_its_shards_is_refused(tmp_path: Path) -> None:
    frozen = numbered(tmp_path)
    manifest = Path(frozen.location) / MANIFEST
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"classes": ["b", "a", "c"]}))
    with pytest.raises(ArtifactError, match=r"says images, class and classes .* its shards say"):
        TrainingSet.open(frozen.location)


def test_elsewhere_files_are_brought_and_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = numbered(tmp_path / "sets")
    monkeypatch.setattr("labelmill.feed.training_set.local_path", lambda place: None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "here"))
    (tmp_path / "here").mkdir()
    brought = TrainingSet.open(f"file://{frozen.location}")
    assert os.listdir(tmp_path / "here") == []
    assert brought.files()[0] == f"file://{frozen.files()[0]}"
    for (mine, _), (theirs, _) in zip(brought.numpy(9), frozen.numpy(9), strict=True):
        assert (mine == theirs).all()
    Path(frozen.files()[2]).unlink()
    with pytest.raises(ArtifactError, match=r"train-00002.arrow of the training set .* is missing"):
        TrainingSet.open(f"file://{frozen.location}")
    assert os.listdir(tmp_path / "here") == []


def test_rows_come_as_arrow_and_at_once(tmp_path: Path) -> None:
    rows = [
        image_row(n, np.full((2, 2, 1), n, np.uint8), split, **{"class": "ab"[n % 2]})
        for n, split in enumerate(["train", "train", "test", "train", "validation", "test"])
    ]
    frozen = TrainingSet.open(write(tmp_path, rows, About("images", "class", ["b", "a"])))
    assert len(frozen) == 6
    assert [frozen.count(s) for s in ("train", "validation", "test")] == [3, 1, 2]
    assert frozen.arrow("test")["image_id"].to_pylist() == ["000002", "000005"]
    for opened in (frozen, open_files(frozen.files())):
        ids, images, classes = opened.split("train")
        assert ids == ["000000", "000001", "000003"]
        assert np.asarray(images)[:, 0, 0, 0].tolist() == [0, 1, 3]
        assert classes.tolist() == [1, 0, 0]
        assert opened.classes == ["b", "a"]


def test_a_shard_is_cut_wherever_rows_come_from(tmp_path: Path) -> None:
    for frozen in (numbered(tmp_path / "one", 103), scattered(tmp_path / "mixed")):
        shard = frozen.shard(1, 4)
        ids, images, classes = shard.split("train")
        whole_ids, whole_images, whole_classes = frozen.split("train")
        own = list(range(1, len(whole_ids) // 4 * 4, 4))
        assert len(ids) == len(images) == len(shard) == shard.count("train")
        assert ids == [whole_ids[n] for n in own]
        assert classes.tolist() == whole_classes[own].tolist()
        assert all((mine == whole_images[n]).all() for mine, n in zip(images, own, strict=True))
        for rows in (shard.rows("train"), shard.arrow()):
            assert rows["image_id"].to_pylist() == ids
        assert shard.class_weights() == frozen.class_weights(), "learners together weigh alike"


def test_another_process_opens_the_files_for_itself(tmp_path: Path) -> None:
    frozen = numbered(tmp_path / "one", 1000, size=20)
    for mine in (frozen, frozen.shard(2, 3)):
        carried = pickle.dumps(mine)
        assert len(carried) < 1000, "no pixels"
        theirs = pickle.loads(carried)
        assert theirs.digest == mine.digest
        for (images, _), (same, _) in zip(mine.numpy(9), theirs.numpy(9), strict=True):
            assert (images == same).all()
    carried = pickle.dumps(frozen)
    shutil.rmtree(frozen.location)
    shutil.copytree(scattered(tmp_path / "two").location, frozen.location)
    with pytest.raises(ArtifactError, match=r"holds the training set .*, expected"):
        pickle.loads(carried)


def test_an_empty_split_is_empty_at_once(tmp_path: Path) -> None:
    ids, images, classes = scattered(tmp_path).split("test")
    assert (len(ids), len(images), len(classes)) == (0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_epochs_or_with_the_set(tmp_path: Path) -> None:
    """160 MB of images, fed ten times, by a process that may not have 96 MB more than it starts with."""
    rng, rows = np.random.default_rng(0), []
    for number in range(2500):
        image = rng.integers(0, 256, (256, 256, 1), np.uint8)
        rows.append(image_row(number, image, **{"class": "a"}))
    location = write(tmp_path, rows, shard_rows=300)
    code = f"""
import resource, sys
from labelmill.feed.training_set import TrainingSet
def anonymous(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))
most = anonymous("VmData") + (96 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
batches = TrainingSet.open({location!r}).numpy(32)
grown = []
for epoch in range(10):
    rows = sum(len(images) for images, _ in batches)
    assert rows == 2500, rows
    grown.append(anonymous("RssAnon"))
print(max(grown[2:]) - min(grown[2:]))
"""
    # Arrow's own allocator reserves a gigabyte of addresses at once, which the limit would count.
    pool = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
    environment = os.environ | {"PYTHONPATH": str(ROOT / "lib")} | pool
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) < 20 << 20, "blocks come and go; nothing stays"

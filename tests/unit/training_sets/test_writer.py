"""Files of a training set: cut into shards, complete or absent, replaced when damaged, removed on failure."""

from __future__ import annotations

import errno
import platform
import resource
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from labelmill.errors import InputError, StoreUnreachable
from labelmill.feed.files.columns import About, columns_of
from labelmill.feed.files.manifest import Manifest
from labelmill.feed.training_set import TrainingSet
from labelmill.training_sets import writer
from labelmill.training_sets.destination import Destination, absolute_root, destination_errors
from labelmill.training_sets.writer import Registered, Rows, write_training_set

ABOUT = About("images", "class", ["a", "b"])
DESCRIBED = {
    "name": "x", "sql": "drawn", "parameters": {}, "snapshot_ms": 0, "splitting": {},
    "created_at": "",
}  # fmt: skip


def _rows(count: int = 50, size: int = 4) -> Rows:
    random = np.random.default_rng(0)
    return Rows.from_table(
        pa.Table.from_pylist(
            [
                {
                    "collection": "c", "image_id": f"{n:05d}", "class": "ab"[n % 2],
                    "split": "test" if n < count // 5 else "train", "height": size, "width": size,
                    "channels": 1, "dtype": "uint8",
                    "pixels": random.integers(0, 256, (size, size, 1), np.uint8).tobytes(),
                }
                for n in range(count)
            ],
            columns_of("images", "class"),
        ),
        ABOUT,
    )  # fmt: skip


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    manifest, place, there = write_training_set(_rows(), str(tmp_path), DESCRIBED)
    frozen = TrainingSet.open(place)
    assert not there
    assert frozen.digest == manifest.digest == Path(place).name
    assert manifest.histogram == {"test": {"a": 5, "b": 5}, "train": {"a": 20, "b": 20}}
    assert [s.file for s in manifest.shards] == ["test-00000.arrow", "train-00000.arrow"]
    assert frozen.rows("train").column("image_id")[0].as_py() == "00010"
    assert [p.name for p in tmp_path.iterdir()] == [manifest.digest]


def test_a_shard_has_one_batch_and_is_neither_long_nor_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SHARD_ROWS", 16)
    rows = _rows()
    digest = write_training_set(rows, str(tmp_path / "whole"), DESCRIBED)[0].digest
    plan_shards = [(c.file, c.stop - c.start) for c in rows.plan_shards()]
    assert plan_shards == [
        ("test-00000.arrow", 10), ("train-00000.arrow", 16), ("train-00001.arrow", 16),
        ("train-00002.arrow", 8),
    ]  # fmt: skip
    monkeypatch.setattr(writer, "SHARD_BYTES", 3 * int(rows.sizes[0]))
    assert [c.stop - c.start for c in rows.plan_shards()][:4] == [3, 3, 3, 1]
    monkeypatch.setattr(writer, "SHARD_BYTES", 1)
    assert [c.stop - c.start for c in rows.plan_shards()] == [1] * 50
    manifest, place, _ = write_training_set(rows, str(tmp_path), DESCRIBED)
    assert manifest.digest == digest, "how rows are cut does not change the digest"
    assert TrainingSet.open(place).count("train") == 40


def test_a_whole_set_is_kept_and_a_damaged_one_replaced(tmp_path: Path) -> None:
    _, place, _ = write_training_set(_rows(), str(tmp_path), DESCRIBED)
    shard = Path(place) / "train-00000.arrow"
    before = shard.stat().st_mtime_ns
    again = write_training_set(_rows(), str(tmp_path), DESCRIBED | {"name": "y"})
    assert again[2]
    assert shard.stat().st_mtime_ns == before
    assert TrainingSet.open(place).manifest.name == "y"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert not write_training_set(_rows(), str(tmp_path), DESCRIBED)[2]
    assert TrainingSet.open(place).count("train") == 40


def test_rows_stay_where_they_were_first_as_long_as_they_are_whole_there(tmp_path: Path) -> None:
    manifest, first, _ = write_training_set(_rows(), str(tmp_path / "first"), DESCRIBED)

    def known(digest: str) -> Registered:
        assert digest == manifest.digest
        return Registered("theirs", first)

    there, place, already = write_training_set(
        _rows(), str(tmp_path / "other"), DESCRIBED | {"name": "y"}, known
    )
    assert (place, already, there.name) == (first, True, "theirs")
    assert not (tmp_path / "other" / manifest.digest).exists()
    (Path(first) / "train-00000.arrow").unlink()
    _, place, already = write_training_set(_rows(), str(tmp_path / "other"), DESCRIBED, known)
    assert (place, already) == (str(tmp_path / "other" / manifest.digest), False)


def test_several_freezes_of_the_same_rows_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=60)

    def known(digest: str) -> None:
        together.wait()  # all have made their files, none has looked what is there

    def write(n: int) -> tuple[Manifest, str, bool]:
        return write_training_set(_rows(), str(tmp_path), DESCRIBED | {"name": f"n{n}"}, known)

    damaged = Path(write_training_set(_rows(), str(tmp_path), DESCRIBED)[1])
    for round in range(6):
        if round % 2:
            (damaged / "train-00000.arrow").write_bytes(b"damaged")
        else:
            shutil.rmtree(damaged, ignore_errors=True)
        with ThreadPoolExecutor(4) as threads:
            written = list(threads.map(write, range(4)))
        assert {place for _, place, _ in written} == {str(damaged)}
        assert TrainingSet.open(str(damaged)).count("train") == 40
        assert [path.name for path in tmp_path.iterdir()] == [damaged.name]


def test_who_was_slower_keeps_what_is_there(tmp_path: Path) -> None:
    place = Destination(str(tmp_path))
    with place.staging() as work:
        manifest, location, _ = write_training_set(_rows(), str(tmp_path), DESCRIBED)
        slower = manifest.model_copy(update={"name": "slower"})
        for shard in manifest.shards:
            shutil.copy(Path(location) / shard.file, work)
        before = (Path(location) / "train-00000.arrow").stat().st_ino
        assert place.commit(work, slower).name == "x"
    assert (Path(location) / "train-00000.arrow").stat().st_ino == before
    assert TrainingSet.open(location).manifest.name == "x"


def test_a_uri_of_a_local_disk_is_a_folder(tmp_path: Path) -> None:
    _, place, _ = write_training_set(_rows(), f"file://{tmp_path}", DESCRIBED)
    assert place.startswith("file:///")
    assert write_training_set(_rows(), f"file://{tmp_path}", DESCRIBED)[2]
    assert TrainingSet.open(place).count("test") == 10


def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"cannot be written.*nothing was left behind"):
            write_training_set(_rows(size=40), str(tmp_path), DESCRIBED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    write_training_set(_rows(size=40), str(tmp_path), DESCRIBED)


def test_a_full_disk_is_called_so_and_an_outage_is_not() -> None:
    with (
        pytest.raises(InputError, match="the disk is full, or the quota is used up"),
        destination_errors("x"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(StoreUnreachable), destination_errors("x"):
        raise StoreUnreachable("Kudu is away")


def test_what_a_killed_freeze_left_goes_and_what_runs_stays(tmp_path: Path) -> None:
    dead = tmp_path / f".freezing-{platform.node()}-999999999-abc"
    other_host = tmp_path / ".freezing-elsewhere-999999999-abc"
    running = tmp_path / f".freezing-{platform.node()}-1-abc"
    for folder in (dead, other_host, running):
        folder.mkdir()
        (folder / "train-00000.arrow").write_bytes(b"half")
    write_training_set(_rows(), str(tmp_path), DESCRIBED)
    assert not dead.exists()
    assert other_host.exists()
    assert running.exists()


def test_places_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere://x cannot be reached"):
        write_training_set(_rows(), "nowhere://x", DESCRIBED)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_training_set(_rows(), str(tmp_path / "file"), DESCRIBED)
    assert Destination(str(tmp_path)).find_complete("0" * 64) is None


def test_a_root_means_the_same_from_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert absolute_root("sets") == absolute_root("./sets/") == str(tmp_path / "sets")
    assert absolute_root("~/sets") == str(tmp_path / "home/sets")
    assert absolute_root("s3://sets/deep/") == "s3://sets/deep"

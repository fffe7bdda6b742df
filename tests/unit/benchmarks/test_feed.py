"""Races of epochs: what contestants must show before they are timed, and training sets made for them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.contestants import epochs
from benchmarks.contestants.epochs import Feeder, Way, epochs_in_a_turn
from benchmarks.contestants.maps import maps_of
from benchmarks.contestants.probe import Asked, probe
from benchmarks.contestants.training import waiting
from benchmarks.data.digits import Digits
from benchmarks.data.frozen import freeze_digits
from benchmarks.peers.process import Peer
from benchmarks.tools.feed import summary
from labelmill.errors import InputError, LabelmillError, NoData, UnknownName
from labelmill.feed.training_set import TrainingSet

ROOT = Path(__file__).parents[3]

FEEDS = """
import numpy as np
from benchmarks.peers.answering import again, serve

def way(order_of, keep=slice(None)):
    def prepare(asked):
        images, classes = np.load(asked["images"]), np.load(asked["classes"])
        order = order_of(len(classes))
        def epoch():
            print("a library prints this")
            rows = order()[keep]
            for start in range(0, len(rows), asked["batch"]):
                part = rows[start : start + asked["batch"]]
                yield images[part], classes[part]
        return again(epoch)
    return prepare

def shuffled(count):
    random = np.random.default_rng(1)
    return lambda: random.permutation(count)

serve({
    "honest": way(shuffled),
    "lossy": way(shuffled, slice(1, None)),
    "sorted": way(lambda count: lambda: np.arange(count)),
})
"""


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits.made(300, side=8)


@pytest.fixture(scope="module")
def frozen(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return freeze_digits(digits, tmp_path_factory.mktemp("training_sets"))


@pytest.fixture
def script(tmp_path: Path) -> str:
    place = tmp_path / "feeds.py"
    place.write_text(FEEDS)
    return str(place)


def feeder(way: str, script: str, digits: Digits, folder: Path) -> Feeder:
    asked = {**digits.write(folder / "arrays"), "batch": 32}
    return Feeder(Way(way, "test", way, "", script=script), digits, asked)


def test_a_way_that_feeds_each_row_once_is_timed(
    script: str, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epochs, "TURN", 0.01)
    racer = feeder("honest", script, digits, tmp_path)
    with racer.started(tmp_path) as contestant:
        assert contestant.warm is not None
        contestant.warm()
        rows = contestant.run(1)
    assert rows
    assert rows % len(digits) == 0
    assert len(racer.turns.cores) == 1
    assert racer.turns.own[0] > 1  # MiB of a Python


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("lossy", "lossy does not feed every row once: rows 299, expected 300"),
        ("sorted", "sorted feeds two epochs in the same order"),
    ],
)
def test_a_way_that_makes_it_easy_for_itself_is_found_out(
    way: str, message: str, script: str, digits: Digits, tmp_path: Path
) -> None:
    with feeder(way, script, digits, tmp_path).started(tmp_path) as contestant:
        assert contestant.warm is not None
        with pytest.raises(RuntimeError, match=message):
            contestant.warm()


def test_a_peer_that_fails_tells_why(script: str, tmp_path: Path) -> None:
    with Peer("test", script, [], tmp_path / "log", Path(sys.executable)) as peer:
        with pytest.raises(RuntimeError, match="KeyError: 'nobody'"):
            peer.ask(prepare="nobody")


def test_a_peer_that_is_not_installed_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELMILL_HOME", str(tmp_path))
    with pytest.raises(NoData, match="run benchmarks/peers/setup streaming"):
        Peer("streaming", "epochs.py", [], tmp_path / "log")


def test_short_epochs_are_done_several_times_in_a_turn() -> None:
    assert [epochs_in_a_turn(seconds, 2.0) for seconds in (0.001, 0.1, 1.9, 60.0)] == [
        100,
        20,
        1,
        1,
    ]


def test_an_epoch_of_other_pixels_or_classes_is_wrong(digits: Digits) -> None:
    right = {
        "rows": 300,
        "pixels": int(digits.images.sum(dtype=np.int64)),
        "classes": {str(c): int((digits.classes == c).sum()) for c in range(10)},
    }
    assert digits.wrong(right) == ""
    assert digits.wrong({**right, "pixels": 1}).startswith("pixels 1, expected")
    assert "classes" in digits.wrong({**right, "classes": {"3": 300}})


def test_a_training_set_made_for_a_benchmark_is_one(digits: Digits, frozen: Path) -> None:
    opened = TrainingSet.open(str(frozen))
    ids, images, classes = opened.split("train")
    assert ids == sorted(ids)
    assert len(set(ids)) == len(digits)
    found = {image.tobytes(): int(label) for image, label in zip(images, classes, strict=True)}
    made = zip(digits.images, digits.classes, strict=True)
    assert found == {image.tobytes(): int(label) for image, label in made}


def test_maps_are_named_with_their_arguments() -> None:
    steps = 'prepared:["grey",{"resize":[4,4]}]'
    assert len(maps_of(["flip", "shift:2,2", steps])) == 3
    with pytest.raises(UnknownName, match="Did you mean 'flip'"):
        maps_of(["filp"])
    with pytest.raises(InputError, match="for example shift:2,2"):
        maps_of(["shift:2,"])
    with pytest.raises(InputError, match="shift"):
        maps_of(["shift"])
    with pytest.raises(InputError, match="numbers of pixels, 0 or more"):
        maps_of(["shift:-1,0"])


def test_feeding_is_probed_in_a_process_of_its_own(frozen: Path) -> None:
    asked = Asked(str(frozen), "numpy", batch=64, epochs=2, maps=["crop:4,4"])
    probed = probe(asked)
    assert probed["rows"] == 300
    assert probed["element"] == "uint8 (64, 4, 4, 1), int64 (64,)"
    assert probed["bytes"] == 300 * (16 + 8)
    assert len(probed["epochs"]) == 2
    figures = summary(probed)
    first = probed["epochs"][0]
    assert (
        figures["samples_per_s"]["min"] <= 300 / first["seconds"] <= figures["samples_per_s"]["max"]
    )
    assert figures["all_mib"] > figures["own_mib"] > 0


def test_an_error_of_feeding_keeps_its_exit_code(frozen: Path) -> None:
    with pytest.raises(LabelmillError, match="split") as raised:
        probe(Asked(str(frozen), "numpy", split="trian"))
    assert raised.value.exit_code == 2


def test_bench_feed_writes_what_it_shows(frozen: Path, tmp_path: Path) -> None:
    target = tmp_path / "feed.json"
    answer = subprocess.run(
        [
            sys.executable, "-m", "benchmarks", "feed", str(frozen), "--way", "numpy",
            "--epochs", "1", "--json", str(target),
        ],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "300 rows an epoch" in answer.stdout
    assert "samples/s" in answer.stdout
    assert json.loads(target.read_text())["ways"]["numpy"]["rows"] == 300


def test_bench_feed_refuses_what_is_not_a_training_set(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "benchmarks", "feed", str(tmp_path), "--way", "numpy"],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert answer.returncode == 2
    assert answer.stderr.startswith("feed: ")
    assert "Traceback" not in answer.stderr


def test_what_a_step_waits_is_the_time_until_its_batch_is_there() -> None:
    done = []
    took = []

    class Slow:
        def __iter__(self) -> Iterator[Any]:
            started = time.perf_counter()
            sum(range(100_000))
            took.append(time.perf_counter() - started)
            return iter(())

    assert waiting(Slow(), None)["waited"] >= took[0], "an epoch that is slow to begin waits"
    measured = waiting([(1, 2), (3, 4)], lambda images, classes: done.append((images, classes)))
    assert done == [(1, 2), (3, 4)]
    assert measured["steps"] == 2
    assert 0 <= measured["waited"] <= measured["seconds"]

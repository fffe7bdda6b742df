"""Opening, reading and closing a training set changes no setting of the process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.forks import Forks
from tests.helpers.training_sets import numbered

ROOT = Path(__file__).parents[3]

CHILD = """
import gc, importlib, signal, sys, warnings, zipfile

where, location, way = sys.argv[1:]
import numpy as np, pyarrow.compute, pyarrow.dataset, pyarrow.fs
if way == "tf":
    import tensorflow as tf
    tf.keras.config.dtype_policy()
from tests.helpers.process_state import differences, process_state

# Settings of the user's own, each unlike the default.
with zipfile.ZipFile(where + "/modules.zip", "w") as made:
    made.writestr("labelmill_of_the_user.py", "")
sys.path.insert(0, where + "/modules.zip")
import labelmill_of_the_user
gc.unfreeze()  # a fork begins with frozen objects
gc.set_threshold(601, 11, 12)
gc.callbacks.append(lambda phase, info: None)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGINT, lambda *_: None)
np.seterr(over="ignore", under="warn")
warnings.simplefilter("always", ImportWarning)
before = process_state()

from labelmill.feed.maps.augment import flip
from labelmill.feed.maps.preparation import prepared
from labelmill.feed.training_set import TrainingSet

opened = TrainingSet.open(location)
opened.class_weights()
maps = (prepared([{"resize": [6, 6]}]), flip())
for options in ({}, {"map": maps}, {"map": maps, "prefetch": 3}, {"repeat": 2}):
    batches = getattr(opened, way)(8, seed=1, **options)
    assert sum(len(classes) for _, classes in batches) >= 16, options
abandoned = iter(getattr(opened, way)(8, map=maps, repeat=True))
next(abandoned)
if way == "tf":
    batches.take(2).reduce(0, lambda count, _: count + 1)
during = differences(before, process_state())
assert not during, f"while batches were read: {during}"
del opened, batches, abandoned
gc.collect()
changed = differences(before, process_state())
assert not changed, f"afterwards: {changed}"
assert way == "tf" or "tensorflow" not in sys.modules
print("left alone")
"""


def test_settings_are_as_they_were(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), numbered(tmp_path, 40).location, "numpy"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "left alone\n"


@pytest.mark.train
@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="TensorFlow is not installed: pip install 'labelmill[train]'",
)
def test_settings_are_as_they_were_with_tensorflow(tmp_path: Path, tensorflow_forks: Forks) -> None:
    done = tensorflow_forks.run(CHILD, str(tmp_path), numbered(tmp_path, 40).location, "tf")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "left alone\n"

"""Opening, reading and closing `KuduBatches` changes no setting of the process.

But for one: jpype adds a callback to the garbage collector when the JVM starts, and never removes it.
While a scan is read, this callback is out of the collector; afterwards it is back in its place.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from labelmill.live.kudu.batches import KuduBatches
from labelmill.settings import Settings
from labelmill.store.client import RowClient
from tests.helpers.live_images import noise_images, put, query
from tests.helpers.process_state import differences, process_state

ROOT = Path(__file__).parents[3]
COUNT = 150

CHILD = """
import gc, signal, sys, warnings, zipfile
from pathlib import Path

where = sys.argv[1]
import jpype, numpy as np, pyarrow.compute, pyarrow.dataset, tensorflow as tf
from tests.helpers.process_state import differences, is_jpypes, jpypes_callbacks, process_state

# Settings of the user's own, each unlike the default.
with zipfile.ZipFile(where + "/modules.zip", "w") as made:
    made.writestr("labelmill_of_the_user.py", "")
sys.path.insert(0, where + "/modules.zip")
import labelmill_of_the_user
gc.set_threshold(601, 11, 12)
gc.callbacks.append(lambda phase, info: None)
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGINT, lambda *_: None)
np.seterr(over="ignore", under="warn")
warnings.simplefilter("always", ImportWarning)
before, callbacks = process_state(), list(gc.callbacks)

from labelmill.live.kudu.batches import KuduBatches
from labelmill.settings import Settings

settings = Settings.model_validate_json(Path(where, "settings.json").read_text())
live = KuduBatches.of(Path(where, "plan").read_bytes(), settings)
for way in ("numpy", "tf"):
    batches = getattr(live, way)(32, seed=1, window_bytes=640)
    assert sum(len(classes) for _, classes in batches) == len(live)
    abandoned = iter(getattr(live, way)(32, window_bytes=640, repeat=True))
    next(abandoned)
    during = differences(before, process_state())
    assert not during, f"while batches were read ({way}): {during}"
    assert all(callback in gc.callbacks for callback in callbacks)
    del batches, abandoned
del live
gc.collect()
changed = differences(before, process_state())
assert not changed, f"afterwards: {changed}"
# The JVM runs; jpype's callbacks (1.7.1 adds its own twice) came last and have not been moved.
assert jpypes_callbacks(), gc.callbacks
assert gc.callbacks == [*callbacks, *jpypes_callbacks()]
print("left alone")
"""


@pytest.mark.train
def test_reading_leaves_settings_as_they_were(
    spark: SparkSession, settings: Settings, client: RowClient, tmp_path: Path
) -> None:
    put(client, noise_images(COUNT))
    plan = KuduBatches.plan(query(), settings, spark)
    (tmp_path / "plan").write_bytes(plan.to_bytes())
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=ROOT,
        # The JVM says on stderr that it was given these.
        env={name: value for name, value in os.environ.items() if name != "JAVA_TOOL_OPTIONS"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "left alone\n"


def test_planning_leaves_settings_as_they_were(
    spark: SparkSession, settings: Settings, client: RowClient
) -> None:
    put(client, noise_images(40))
    KuduBatches(query(), settings, spark)  # imports what it needs
    before, callbacks = process_state(), list(gc.callbacks)
    batches = KuduBatches(query(), settings, spark)
    assert len(batches) == 40
    del batches
    assert differences(before, process_state()) == {}
    assert gc.callbacks == callbacks

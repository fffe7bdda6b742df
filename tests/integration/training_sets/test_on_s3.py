"""Training sets in a bucket: moto answers as S3 does, in a process of this test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="moto is not installed; install labelmill[dev]")

_BODY = """
import sys
from pathlib import Path
from moto.server import ThreadedMotoServer
import boto3
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(Bucket="sets")
print(port, flush=True)
sys.stdin.read()
"""

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip

_STORY = """
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import pytest
from pyarrow.fs import FileSelector
from labelmill.errors import ArtifactError, InputError
from labelmill.feed.training_set import TrainingSet
from labelmill.training_sets.writer import write_training_set
from labelmill.training_sets.removal import remove_files, size_of
from labelmill.training_sets.destination import Destination, check_writable, open_filesystem
from tests.unit.training_sets.test_writer import DESCRIBED, _rows

manifest, place, there = write_training_set(_rows(), "s3://sets/deep/root", DESCRIBED)
assert not there and place == f"s3://sets/deep/root/{manifest.digest}", place
frozen = TrainingSet.open(place)
assert frozen.rows("test").equals(frozen.rows("test")) and frozen.count("train") == 40
assert TrainingSet.open(manifest.digest[:8], "s3://sets/deep/root").digest == manifest.digest
again = write_training_set(_rows(), "s3://sets/deep/root", DESCRIBED | {"name": "y"})
assert again[2] and TrainingSet.open(place).manifest.name == "y"
assert size_of(place) > sum(shard.bytes for shard in manifest.shards)

files, base = open_filesystem(place)
files.delete_file(f"{base}/train-00000.arrow")
with pytest.raises(ArtifactError, match="train-00000.arrow"):
    TrainingSet.open(place)
assert not write_training_set(_rows(), "s3://sets/deep/root", DESCRIBED)[2]
assert TrainingSet.open(place).count("train") == 40

# As many bytes, but other ones.
with files.open_input_stream(f"{base}/train-00000.arrow") as stream:
    data = bytearray(stream.read())
data[len(data) // 2] ^= 1
with files.open_output_stream(f"{base}/train-00000.arrow") as stream:
    stream.write(bytes(data))
assert Destination("s3://sets/deep/root").find_complete(manifest.digest) is None
assert not write_training_set(_rows(), "s3://sets/deep/root", DESCRIBED)[2]
assert TrainingSet.open(place).count("train") == 40

# Two at once: none takes away what the other has put there.
together = threading.Barrier(2, timeout=60)
files.delete_dir(base)
with ThreadPoolExecutor(2) as threads:
    both = [
        threads.submit(write_training_set, _rows(), "s3://sets/deep/root", DESCRIBED, lambda _: print(together.wait()))
        for _ in range(2)
    ]
    assert {one.result()[1] for one in both} == {place}
assert TrainingSet.open(place).count("train") == 40

assert remove_files(place, manifest.digest) == []
assert remove_files(place, manifest.digest) is None
check_writable("s3://sets/deep/root")
assert [one.base_name for one in files.get_file_info(FileSelector("sets/deep/root"))] == []
with pytest.raises(InputError, match="cannot be written to s3://no-such-bucket"):
    check_writable("s3://no-such-bucket/x")
assert Destination("s3://sets/deep/root").find_complete(manifest.digest) is None
with pytest.raises(InputError, match="cannot be written to s3://no-such-bucket"):
    write_training_set(_rows(), "s3://no-such-bucket/x", DESCRIBED)
with pytest.raises(InputError, match="carries no options and no secrets"):
    write_training_set(_rows(), "s3://key:secret@sets/x", DESCRIBED)
"""


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """The environment that reaches a bucket called ``sets``."""
    environment = os.environ | _CREDENTIALS
    server = subprocess.Popen(
        [sys.executable, "-c", _BODY], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip
    assert server.stdin
    assert server.stdout
    port = server.stdout.readline().strip()
    yield environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    server.stdin.close()
    server.wait(30)


def test_a_bucket_holds_training_sets_as_a_folder_does(bucket: dict[str, str]) -> None:
    # In a process of its own: Arrow reads the environment once, when S3 is first used.
    root = Path(__file__).parents[3]
    told = subprocess.run(
        [sys.executable, "-c", _STORY], env=bucket, cwd=root, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr[-3000:]

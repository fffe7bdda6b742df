from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelmill.domain.models.artifact import Artifact, chunks_of, pack, sha256_of, unpack
from labelmill.domain.models.preparation import Preparation
from labelmill.errors import ArtifactError


def artifact() -> Artifact:
    return Artifact(
        onnx=b"graph" * 100,
        weights=b"weights",
        family="mlp",
        parameters={"learning_rate": 0.1, "hidden": [3]},
        preparation=Preparation.parse(["grey", {"resize": [2, 3]}]),
        classes=("ä", "b"),
        canary_inputs=np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1),
        canary_outputs=np.array([[0.25, 0.75]], np.float32),
        input_shape=(2, 3, 1),
    )


def rebuilt(
    data: bytes, change: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED
) -> bytes:
    """The archive with members replaced, added, or (None) left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, bytes | None] = {n: archive.read(n) for n in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in {**members, **change}.items():
            if content is not None:
                archive.writestr(name, content)
    return out.getvalue()


def header(data: bytes, **change: object) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.dumps({**json.loads(archive.read("header.json")), **change}).encode()


def test_what_is_packed_is_unpacked() -> None:
    back = unpack(pack(artifact()))
    assert back == artifact()
    assert back.preparation == artifact().preparation
    assert back.classes == ("ä", "b")
    assert back.parameters == {"learning_rate": 0.1, "hidden": [3]}
    np.testing.assert_array_equal(back.canary_inputs, artifact().canary_inputs)
    assert back != replace(artifact(), family="softmax")


def test_the_bytes_are_the_same_in_another_process_and_at_another_time() -> None:
    code = (
        "from tests.unit.domain.models.test_artifact import *; print(sha256_of(pack(artifact())))"
    )
    root = Path(__file__).parents[4]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == sha256_of(pack(artifact())) == WRITTEN_DOWN


WRITTEN_DOWN = "f2bdf6b47947d519ff31d72121704441401476908c23495ce9348035a93a266d"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an artifact"),
        (b"some text", "not an artifact"),
        (pack(artifact())[:-30], "not an artifact"),
        (rebuilt(pack(artifact()), {"model.onnx": None}), "members"),
        (rebuilt(pack(artifact()), {"extra.pkl": b"x"}), "members"),
        (rebuilt(pack(artifact()), {"../model.onnx": b"x"}), "members"),
        (rebuilt(pack(artifact()), {"model.onnx": b"other"}), "model.onnx.*not what was stored"),
        (
            rebuilt(pack(artifact()), {"weights.safetensors": b"other"}),
            "weights.safetensors.*not what was stored",
        ),
        (rebuilt(pack(artifact()), {}, zipfile.ZIP_DEFLATED), "not compressed"),
        (rebuilt(pack(artifact()), {"header.json": b"{"}), "not JSON"),
        (rebuilt(pack(artifact()), {"header.json": b"[]"}), "format 1, received"),
        (
            rebuilt(pack(artifact()), {"header.json": header(pack(artifact()), format=2)}),
            "format 1, received 2",
        ),
        (
            rebuilt(pack(artifact()), {"header.json": header(pack(artifact()), members=[])}),
            "lists no members",
        ),
        (
            rebuilt(pack(artifact()), {"header.json": header(pack(artifact()), members={})}),
            "not what was stored",
        ),
        (
            rebuilt(
                pack(artifact()), {"header.json": header(pack(artifact()), preparation=["gray"])}
            ),
            "cannot be read",
        ),
        (
            rebuilt(pack(artifact()), {"header.json": header(pack(artifact()), classes=["a"])}),
            "does not fit",
        ),
        (
            rebuilt(
                pack(artifact()), {"header.json": header(pack(artifact()), input_shape=[2, 2, 1])}
            ),
            "does not fit",
        ),
        (
            rebuilt(pack(artifact()), {"header.json": header(pack(artifact()), input_shape=None)}),
            "cannot be read",
        ),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        unpack(data)


def test_a_pickle_in_the_canary_is_not_loaded() -> None:
    out = io.BytesIO()
    np.save(out, np.array([{"a": print}], dtype=object), allow_pickle=True)
    evil = out.getvalue()
    members = {"canary_inputs.npy": {"sha256": sha256_of(evil), "bytes": len(evil)}}
    original = json.loads(header(pack(artifact())))["members"]
    data = pack(artifact())
    changed = header(data, members={**original, **members})
    with pytest.raises(ArtifactError, match="cannot be read"):
        unpack(rebuilt(data, {"canary_inputs.npy": evil, "header.json": changed}))


@settings(max_examples=200)
@given(st.data())
def test_any_altered_byte_is_noticed_or_harmless(data: st.DataObject) -> None:
    packed = bytearray(pack(artifact()))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        back = unpack(bytes(packed))
    except ArtifactError:
        return
    # dates, modes and such of the archive: the content is what it was
    assert back == artifact()


@given(st.binary(max_size=100), st.integers(1, 40))
def test_chunks_joined_are_the_bytes(data: bytes, size: int) -> None:
    chunks = chunks_of(data, size)
    assert b"".join(chunks) == data
    assert all(0 < len(chunk) <= size for chunk in chunks)


def test_chunks_fit_a_kudu_cell() -> None:
    assert max(len(chunk) for chunk in chunks_of(bytes(100_000))) == 32 * 1024

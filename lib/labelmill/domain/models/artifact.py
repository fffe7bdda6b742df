"""A trained model as one file that is stored, moved and loaded; nothing in it is ever executed.

Byte layout, format 1: a zip archive, members stored (not compressed), dates and modes fixed, in this
order, so that equal artifacts are equal bytes:

======================  ========================================================================
``header.json``         canonical JSON: format, family, parameters, preparation, classes,
                        input_shape, and sha256 and size of each other member
``model.onnx``          float32 ``images (N, H, W, C)`` → float32 ``probabilities (N, K)``
``weights.safetensors`` the weights, to continue training
``canary_inputs.npy``   a few prepared images, float32 ``(n, H, W, C)``
``canary_outputs.npy``  what ONNX Runtime answered at export
======================  ========================================================================
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.domain.models.preparation import Preparation
from labelmill.domain.models.setting import canonical
from labelmill.errors import ArtifactError, LabelmillError

FORMAT = 1
CHUNK = 32 * 1024
"""Most bytes of a stored chunk (Kudu's Java session counts operations, not bytes)."""

_MEMBERS = ("model.onnx", "weights.safetensors", "canary_inputs.npy", "canary_outputs.npy")
_HEADER = "header.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Artifact:
    """A trained model with all that prediction and further training need.

    Args:
        onnx: ONNX graph ``images`` → ``probabilities``.
        weights: safetensors.
        family: Name of the family.
        parameters: Learning parameters.
        preparation: Pixel pipeline before the graph.
        classes: In the order of the graph's outputs.
        canary_inputs: float32 ``(n, H, W, C)``, prepared.
        canary_outputs: float32 ``(n, K)``.
        input_shape: ``(H, W, C)`` after preparation.
    """

    onnx: bytes
    weights: bytes
    family: str
    parameters: dict[str, object]
    preparation: Preparation
    classes: tuple[str, ...]
    canary_inputs: npt.NDArray[np.float32]
    canary_outputs: npt.NDArray[np.float32]
    input_shape: tuple[int, int, int]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and pack(self) == pack(other)

    def __hash__(self) -> int:
        return hash(pack(self))


def pack(artifact: Artifact) -> bytes:
    """The artifact's file; equal artifacts give equal bytes in every process."""
    canary = _npy(artifact.canary_inputs), _npy(artifact.canary_outputs)
    members = dict(zip(_MEMBERS, (artifact.onnx, artifact.weights, *canary), strict=True))
    header = {
        "format": FORMAT,
        "family": artifact.family,
        "parameters": artifact.parameters,
        "preparation": artifact.preparation.to_list(),
        "classes": list(artifact.classes),
        "input_shape": list(artifact.input_shape),
        "members": {
            name: {"sha256": sha256_of(data), "bytes": len(data)} for name, data in members.items()
        },
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {_HEADER: canonical(header).encode(), **members}.items():
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def unpack(data: bytes) -> Artifact:
    """Reads an artifact's file.

    Raises:
        ArtifactError: Not an artifact, another format, or a missing or altered member.
    """
    members = _members(data)
    header = _read_header(members.pop(_HEADER))
    for name, content in members.items():
        stated = header["members"].get(name, {})
        if stated.get("sha256") != sha256_of(content):
            raise ArtifactError(
                f"member {name} of the artifact is not what was stored (sha256 differs)"
            )
    try:
        height, width, channels = (int(n) for n in header["input_shape"])
        artifact = Artifact(
            onnx=members["model.onnx"],
            weights=members["weights.safetensors"],
            family=str(header["family"]),
            parameters=dict(header["parameters"]),
            preparation=Preparation.parse(header["preparation"]),
            classes=tuple(str(name) for name in header["classes"]),
            canary_inputs=_array(members["canary_inputs.npy"]),
            canary_outputs=_array(members["canary_outputs.npy"]),
            input_shape=(height, width, channels),
        )
    except (KeyError, TypeError, ValueError, AttributeError, LabelmillError) as error:
        raise ArtifactError(f"the artifact's header or canary cannot be read: {error}") from None
    inputs, outputs = artifact.canary_inputs.shape, artifact.canary_outputs.shape
    if inputs[1:] != artifact.input_shape or outputs != (inputs[0], len(artifact.classes)):
        raise ArtifactError(
            f"the artifact's canary {inputs} → {outputs} does not fit input {artifact.input_shape} "
            f"and {len(artifact.classes)} classes"
        )
    return artifact


def _members(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if sorted(names) != sorted((_HEADER, *_MEMBERS)):
                raise ArtifactError(
                    f"an artifact has members {(_HEADER, *_MEMBERS)}, received {names}"
                )
            # A stored member cannot be larger than the file: no decompression, no bomb.
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ArtifactError("an artifact's members are stored, not compressed")
            return {entry.filename: archive.read(entry) for entry in entries}
    except ArtifactError:
        raise
    except Exception as error:  # zipfile raises many kinds on altered bytes
        raise ArtifactError(f"{len(data)} bytes are not an artifact: {error}") from None


def _read_header(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except ValueError as error:
        raise ArtifactError(f"the artifact's header is not JSON: {error}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        received = header.get("format") if isinstance(header, dict) else header
        raise ArtifactError(
            f"expected an artifact of format {FORMAT}, received {received!r}; use a newer labelmill"
        )
    if not isinstance(header.get("members"), dict):
        raise ArtifactError("the artifact's header lists no members")
    return header


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    out = io.BytesIO()
    plain = np.ascontiguousarray(array, dtype="<f4")
    np.lib.format.write_array(out, plain, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def _array(data: bytes) -> npt.NDArray[np.float32]:
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if array.dtype != np.float32:
        raise ValueError(f"expected float32, received {array.dtype}")
    return np.asarray(array, np.float32)


def sha256_of(data: bytes) -> str:
    """SHA-256 of bytes, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def chunks_of(data: bytes, size: int = CHUNK) -> list[bytes]:
    """Cuts bytes into chunks of at most ``size``; joined, they are the bytes again."""
    return [data[start : start + size] for start in range(0, len(data), size)]

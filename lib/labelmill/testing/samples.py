"""Samples: scikit-learn's 1,797 real handwritten digits as PNG files, and a small training set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import InputError
from labelmill.feed.files.columns import About, columns_of, with_about
from labelmill.feed.files.digest import SetDigest
from labelmill.feed.files.manifest import FORMAT, MANIFEST, Manifest, Shard

SPLIT_ROWS = {"train": 400, "validation": 40}
"""Rows of the sample training set by split."""


def write_digits(folder: Path) -> Path:
    """Writes ``folder/CLASS/INDEX.png``, 8×8 pixels, 8-bit grey; existing files are kept.

    scikit-learn's values 0..16 are spread over 0..255.

    Returns:
        ``folder``.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError(
            "the sample digits come with scikit-learn: pip install 'labelmill[demo]'"
        ) from None

    digits = load_digits()
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    for index, (image, digit) in enumerate(zip(pixels, digits.target, strict=True)):
        path = folder / str(digit) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(encode_png(image))
            part.replace(path)
    return folder


def write_training_set(root: str | Path) -> str:
    """Writes a training set of 440 grey images, 30×30×1 uint8, of the classes a, b and c.

    It is what freezing a slice writes, made without a catalogue: for examples and tests.

    Args:
        root: The training set goes to ``ROOT/DIGEST``; an existing one is replaced.

    Returns:
        The folder of the training set.

    Example:
        >>> from labelmill import TrainingSet
        >>> len(TrainingSet.open(write_training_set("sets")))
        440
    """
    about = About("images", "class", ["a", "b", "c"])
    schema = with_about(columns_of("images", "class"), about)
    hashed = SetDigest(schema.remove_metadata(), about)
    files: dict[str, bytes] = {}
    shards: list[Shard] = []
    histogram: dict[str, dict[str, int]] = {}
    for split, rows in SPLIT_ROWS.items():
        batch = _sample_rows(split, rows, schema)
        hashed.update(split, batch)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_batch(batch)
        name, data = f"{split}-00000.arrow", sink.getvalue().to_pybytes()
        files[name] = data
        sha256 = hashlib.sha256(data).hexdigest()
        shards.append(Shard(file=name, split=split, rows=rows, bytes=len(data), sha256=sha256))
        labels = batch["class"].to_pylist()
        histogram[split] = {label: labels.count(label) for label in about.classes}
    digest = hashed.hexdigest()
    manifest = Manifest(
        format=FORMAT, digest=digest, name="sample", kind="images", target="class",
        sql="-- a sample", parameters={}, snapshot_ms=0, rows=sum(SPLIT_ROWS.values()),
        classes=about.classes, histogram=histogram, splitting={}, shards=shards, created_at="",
    )  # fmt: skip
    folder = Path(root) / digest
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return str(folder)


def _sample_rows(split: str, rows: int, schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [
            {
                "collection": "sample", "image_id": f"{split}-{n:04d}", "split": split,
                "height": 30, "width": 30, "channels": 1, "dtype": "uint8",
                "pixels": bytes([n % 256]) * 900, "class": "abc"[n % 3],
            }
            for n in range(rows)
        ],
        schema=schema,
    )  # fmt: skip

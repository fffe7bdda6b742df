"""MosaicML Streaming's side of the race: MDS shards on the local disk, as its documentation shows.

Runs in an environment of its own (``benchmarks/peers/setup streaming``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# There is nobody to tell how it is used, and nothing to look up.
os.environ |= {"HF_HUB_OFFLINE": "1", "STREAMING_LOCAL_RANK": "0"}

import numpy as np
from answering import Epochs, again, serve
from streaming import MDSWriter, StreamingDataset
from torch.utils.data import DataLoader


def alone(asked: dict[str, Any]) -> Epochs:
    """Samples read and collated by the process that uses them."""
    return _loader(asked, 0)


def workers(asked: dict[str, Any]) -> Epochs:
    """Samples read and collated by as many processes as there are cores, kept between epochs."""
    return _loader(asked, asked["cores"])


def _loader(asked: dict[str, Any], processes: int) -> Epochs:
    images, classes = np.load(asked["images"]), np.load(asked["classes"])
    folder = Path(asked["folder"]) / f"mds-{processes}"
    # With the shape in the column's name a sample is its bytes.
    shape = ",".join(str(size) for size in images.shape[1:])
    columns = {"image": f"ndarray:uint8:{shape}", "class": "int"}
    with MDSWriter(out=str(folder), columns=columns) as writer:
        for image, label in zip(images, classes, strict=True):
            writer.write({"image": image, "class": int(label)})
    del images, classes
    size = asked["batch"]
    samples = StreamingDataset(local=str(folder), shuffle=True, batch_size=size)
    loader = DataLoader(
        samples, batch_size=size, num_workers=processes, persistent_workers=processes > 0
    )
    return again(lambda: ((batch["image"], batch["class"]) for batch in loader))


if __name__ == "__main__":
    serve({"alone": alone, "workers": workers})

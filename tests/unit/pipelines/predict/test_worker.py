"""Labels of a batch that holds damaged images."""

from __future__ import annotations

import pyarrow as pa

from labelmill.inference.predictor import Predictor
from labelmill.pipelines.predict.worker import label_rows
from tests.helpers.small_models import small_artifact


def test_pixels_that_are_missing_or_short_are_failures_of_their_image_only() -> None:
    rows = [
        {"collection": "c", "image_id": name, "height": 4, "width": 4, "channels": 1}
        | {"dtype": "uint8", "pixels": pixels}
        for name, pixels in (("whole", bytes(16)), ("short", bytes(9)), ("none", None))
    ]
    whole, short, none = label_rows(
        pa.RecordBatch.from_pylist(rows), Predictor(small_artifact(1)), 0.0
    )
    assert whole["class"] in "abc"
    assert "error" not in whole
    assert "9 bytes of pixels do not fit 4×4×1 uint8" in short["error"]
    assert "without pixels" in none["error"]

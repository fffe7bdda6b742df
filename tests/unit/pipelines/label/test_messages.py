"""Messages → rows as an executor of the stream makes them, without Spark."""

from __future__ import annotations

import dataclasses
import json
import struct
import tracemalloc
import zlib
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.bus.envelope import Envelope, decode, encode
from labelmill.bus.payload import array_needs, of_array, pixels_of
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import ArtifactError
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.label import worker
from labelmill.pipelines.label.messages import LabelTask
from labelmill.pipelines.label.worker import label_messages, records_at_once
from labelmill.pipelines.predict.worker import IMAGE_COLUMNS, label_rows
from labelmill.testing.png.files import SIGNATURE, chunk, header, png
from tests.helpers.small_models import small_artifact

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
TASK = LabelTask(
    "m", 1, "0" * 64, "q", 3, "drawn", 0.5, 64_000_000, 64 << 20, 1_000_000, 1_000_000, NOW
)
GOOD = encode_png(np.arange(16, dtype=np.uint8).reshape(4, 4, 1))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(small_artifact(1))


def raw(value: bytes | None, key: bytes | None = b"k") -> dict[str, Any]:
    return {"key": key, "value": value, "topic": "t", "partition": 0, "offset": 7}


def with_header(text: str, payload: bytes = GOOD) -> bytes:
    return b"LMI1" + struct.pack(">I", len(text)) + text.encode() + payload


def test_what_a_model_answers_with_nan_is_json_that_others_read(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        predictor, "predict_each", lambda images: (np.full((1, 3), np.nan, np.float32), {})
    )
    (row,) = label_messages([raw(GOOD)], predictor, TASK)
    label = decode(row["value"]).header["label"]
    assert (label["probability"], label["entropy"]) == (None, None)
    assert label["decision"] == row["decision"] == "review"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (r'{"uri": "\ud800"}', "bad_header"),
        (r'{"\ud800": 1}', "bad_header"),
        (r'{"collection": "\ud800"}', "bad_header"),
        ('{"uri": NaN}', "bad_header"),
        ('{"uri": 1e999}', "bad_header"),
        ('{"uri": ' + "9" * 5000 + "}", "bad_header"),
        ('{"collection": {"a": 1}}', "bad_collection"),
        ('{"image_id": {}}', "bad_image_id"),
        ('{"encoding": []}', "unknown_encoding"),
        (json.dumps({"encoding": "raw", "image_id": "a" * 64, "shape": 4}), "bad_shape"),
        (json.dumps({"encoding": "raw", "image_id": "a" * 64, "shape": [1e9, 4, 1]}), "bad_shape"),
    ],
)
def test_a_poison_message_is_a_dead_letter_beside_a_good_label(
    predictor: Predictor, header: str, reason: str
) -> None:
    poison = with_header(header)
    rows = label_messages([raw(poison), raw(GOOD)], predictor, TASK)
    dead, good = sorted(rows, key=lambda row: row["reason"] is None)
    assert (dead["reason"], good["reason"]) == (reason, None)
    assert decode(dead["value"]).payload == poison
    assert decode(dead["value"]).header["error"]["message"]


def test_no_depth_of_nesting_raises(predictor: Predictor) -> None:
    messages = [raw(with_header('{"uri": ' + "[" * n + "]" * n + "}")) for n in range(900, 1000)]
    assert len(label_messages(messages, predictor, TASK)) == 100


@pytest.mark.parametrize("key", [None, b"k", b"k" * 3000])
def test_a_dead_letter_always_fits_its_topic(predictor: Predictor, key: bytes | None) -> None:
    task = dataclasses.replace(TASK, dead_cap=700)
    long = with_header(json.dumps({"collection": "x" * 5000}))
    for value in (long, b"hello", b"", GOOD[:40]):
        (row,) = label_messages([raw(value, key)], predictor, task)
        assert row["reason"]
        assert len(row["value"]) + len(row["key"] or b"") <= 700
        error = decode(row["value"]).header["error"]
        assert error["offset"] == 7
        assert error.get("key_left_out") == (3000 if key and len(key) > 1 else None)
    assert label_messages([raw(b"hello", b"k")], predictor, TASK)[0]["key"] == b"k"


def test_a_message_without_a_value_is_neither_a_label_nor_a_dead_letter(
    predictor: Predictor,
) -> None:
    rows = label_messages([raw(None), raw(GOOD)], predictor, TASK)
    assert rows[0] == {"reason": worker.NO_VALUE, "partition": 0, "offset": 7}
    assert rows[1]["reason"] is None


def test_a_graph_that_does_not_run_is_not_the_images_fault() -> None:
    artifact = small_artifact(1)
    # Loads and takes any size, but its weights are for 16 pixels: it fails when it runs.
    broken = Predictor(
        dataclasses.replace(small_artifact(1), onnx=_of_any_size(), input_shape=(5, 5, 1))
    )
    image = np.zeros((5, 5, 1), np.uint8)
    with pytest.raises(ArtifactError, match="refuses"):
        label_messages([raw(encode_png(image))], broken, TASK)
    shown = ["c", "i", *image.shape, "uint8", image.tobytes()]
    batch = pa.RecordBatch.from_pylist([dict(zip(IMAGE_COLUMNS, shown, strict=True))])
    with pytest.raises(ArtifactError, match="refuses"):
        label_rows(batch, broken, 0.5)
    # An image that this model cannot take is the image's fault, in both.
    (row,) = label_messages([raw(encode_png(image))], Predictor(artifact), TASK)
    assert row["reason"] == "not_preparable"
    assert "(4, 4, 1)" in label_rows(batch, Predictor(artifact), 0.5)[0]["error"]


def _of_any_size() -> bytes:
    from onnx import TensorProto, helper, load_model_from_string

    model = load_model_from_string(small_artifact(1).onnx)
    model.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", "h", "w", 1])
    )
    return bytes(model.SerializeToString())


def test_memory_is_bounded_by_decoded_size(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PIECE_BYTES", 1_000_000)
    flat = encode_png(np.zeros((500, 500, 1), np.uint8))  # 250 kB in little more than 1 kB
    assert len(flat) < 2000
    tracemalloc.start()
    rows = label_messages([raw(flat)] * 60 + [raw(GOOD)], predictor, TASK)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 61
    assert sum(row["reason"] is None for row in rows) == 1
    assert peak < 12_000_000, "60 images are 15 MB as bytes, 60 MB as floats"


def decoded_bytes(envelope: Envelope, pixel_cap: int = 64_000_000) -> int:
    needs = array_needs(envelope, pixel_cap)
    return 0 if needs is None else needs.array


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_decoded_size_is_known_before_decoding(channels: int, dtype: type) -> None:
    pixels = np.ones((6, 7, channels), dtype)
    sizes = [decoded_bytes(Envelope({}, encode_png(pixels)))]
    if channels in (1, 3):  # transparency adds a channel that IHDR does not name
        colour, depth = {1: 0, 3: 2}[channels], 8 * pixels.dtype.itemsize
        lines = b"".join(
            b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in pixels
        )
        key = chunk(b"tRNS", bytes(2 * channels))
        clear = Envelope({}, png(header(7, 6, depth, colour), lines, key))
        assert pixels_of(clear).shape == (6, 7, channels + 1)
        sizes.append(decoded_bytes(clear))
        assert sizes[1] == pixels_of(clear).nbytes
    assert all(pixels.nbytes <= size <= 2 * pixels.nbytes for size in sizes)
    raw_pixels = of_array(pixels.tobytes(), (6, 7, channels), pixels.dtype.name)
    assert decoded_bytes(raw_pixels) == 0, "a view of the message"
    assert decoded_bytes(Envelope({}, encode_png(pixels)), pixel_cap=41) == 0, "refused undecoded"


def test_palette_and_cut_files() -> None:
    palette = png(header(4, 2, 8, 3), (b"\0" + bytes(4)) * 2, chunk(b"PLTE", b"abc"))
    assert pixels_of(Envelope({}, palette)).nbytes <= decoded_bytes(Envelope({}, palette)) == 32
    assert decoded_bytes(decode(GOOD[:20])) == decoded_bytes(Envelope({}, b"x" * 99)) == 0
    assert decoded_bytes(decode(encode(Envelope({"encoding": "raw"}, GOOD)))) == 0


def test_an_image_above_the_memory_cap_is_refused_before_decoding(predictor: Predictor) -> None:
    # 64 million pixels of four 16-bit channels in a few hundred kB.
    rows_of_zeros = packed_zeros(7999 * (1 + 8 * 7999))
    blank = SIGNATURE + header(7999, 7999, 16, 6) + chunk(b"IDAT", rows_of_zeros) + chunk(b"IEND")
    assert len(blank) < 1_000_000
    tracemalloc.start()
    rows = label_messages([raw(blank), raw(GOOD)], predictor, TASK)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["reason"] for row in rows] == ["too_much_memory", None]
    assert peak < 8_000_000
    letter = decode(rows[0]["value"])
    assert "needs about" in letter.header["error"]["message"]
    assert "--image-memory" in letter.header["error"]["message"]
    wide = of_array(bytes(5000 * 4000), (5000, 4000, 1), "uint8", image_id="0" * 64)
    (row,) = label_messages([raw(encode(wide))], predictor, TASK)
    assert row["reason"] == "too_much_memory", "a view of the message is prepared all the same"


def packed_zeros(count: int) -> bytes:
    """A zlib stream of many zeros: one block again and again, because packing 512 MB takes seconds."""

    def block(length: int, last: bool = False) -> bytes:
        pack = zlib.compressobj(9, wbits=-15)
        return pack.compress(bytes(length)) + pack.flush(
            zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH
        )

    blocks, rest = divmod(count, 1 << 20)
    adler = count % 65521 << 16 | 1
    return b"\x78\xda" + block(1 << 20) * blocks + block(rest, True) + struct.pack(">I", adler)


def test_records_at_once_follow_the_largest_image() -> None:
    assert (records_at_once(1 << 20), records_at_once(1 << 30), records_at_once(1000)) == (
        64, 1, 1024,
    )  # fmt: skip


def test_raw_pixels_are_encoded_as_png_only_where_the_message_would_be_too_large(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def counting(pixels: np.ndarray) -> bytes:
        encoded.append(1)
        return encode_png(pixels)

    monkeypatch.setattr("labelmill.bus.payload.encode_png", counting)
    message = raw(encode(of_array(bytes(16), (4, 4, 1), "uint8", image_id="a" * 64)))
    (row,) = label_messages([message], predictor, TASK)
    assert row["reason"] is None
    assert encoded == []
    tight = dataclasses.replace(TASK, output_cap=len(row["value"]) + 63)
    (row,) = label_messages([message], predictor, tight)
    assert row["reason"] is None
    assert encoded == [1]

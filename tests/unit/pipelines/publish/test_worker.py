"""Sending images as messages, without brokers: what is sent, left out, counted and reported."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from labelmill.bus.envelope import Envelope, decode
from labelmill.bus.payload import image_id_in, pixels_of
from labelmill.domain.codecs.png.codec import encode_png
from labelmill.errors import BusError, BusUnreachable, NoData
from labelmill.pipelines.publish import worker
from labelmill.pipelines.publish.order import file_envelopes, frozen_envelopes, order_key
from labelmill.pipelines.publish.report import closing_report
from labelmill.pipelines.publish.worker import PublishTotals, envelope_of, send, send_batches
from labelmill.sources.file_reader import open_reader
from labelmill.spark.progress import SparkProgress
from labelmill.spark.report import Report
from tests.helpers.image_folders import write_image_folder

FLAT = np.zeros((40, 40, 1), np.uint8)
"""1,600 bytes as an array, about 100 as PNG."""

NOISE = np.random.default_rng(0).integers(0, 256, (40, 40, 1), np.uint8)
"""1,600 bytes as an array, more as PNG."""


class Broker:
    """In the place of `Sender`: takes messages of at most `cap` bytes, or is unreachable."""

    def __init__(self, cap: int = 10_000, unreachable: bool = False) -> None:
        self.cap, self.unreachable = cap, unreachable
        self.messages: list[tuple[bytes, bytes]] = []
        self.sent = 0

    def __call__(self, brokers: str, topic: str, timeout: float) -> Broker:
        assert (brokers, topic, timeout) == ("b:1", "t", 5.0)
        if self.unreachable:
            raise BusUnreachable("no broker answered at b:1")
        return self

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sent = len(self.messages)

    def fits(self, key: bytes, value: bytes) -> bool:
        return len(key) + len(value) <= self.cap

    def send(self, key: bytes, value: bytes) -> None:
        self.messages.append((key, value))


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()
    monkeypatch.setattr(worker, "Sender", found)
    return found


def row(pixels: np.ndarray | None, image_id: str = "a" * 64, **more: Any) -> dict[str, Any]:
    shape = (4, 4, 1) if pixels is None else pixels.shape
    return {
        "collection": "c", "image_id": image_id,
        "pixels": None if pixels is None else pixels.tobytes(),
        "height": shape[0], "width": shape[1], "channels": shape[2],
        "dtype": "uint8" if pixels is None else str(pixels.dtype), **more,
    }  # fmt: skip


def envelope(pixels: np.ndarray, image_id: str = "a" * 64) -> Envelope:
    found = envelope_of(row(pixels, image_id), False)
    assert found is not None
    return found


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_row_becomes_a_message_with_exactly_its_pixels(dtype: type) -> None:
    pixels = np.arange(24, dtype=dtype).reshape(2, 4, 3)
    found = envelope_of(row(pixels, uri="7/1.png") | {"class": "7"}, True)
    assert found is not None
    assert np.array_equal(pixels_of(found), pixels)
    assert pixels_of(found).dtype == dtype
    assert image_id_in(found) == "a" * 64
    assert (found.header["class"], found.header["uri"]) == ("7", "7/1.png")
    assert envelope_of(row(None), True) is None


def test_without_labels_a_message_does_not_reveal_the_class() -> None:
    found = envelope_of(row(FLAT, uri="7/1.png") | {"class": "7"}, False)
    assert found is not None
    assert not {"class", "uri"} & set(found.header)


def test_large_images_go_as_png_and_larger_ones_are_left_out(broker: Broker) -> None:
    broker.cap = 1000
    ids = [f"{n:064x}" for n in range(9)]
    small = envelope(FLAT[:4, :4], ids[0])
    envelopes = [small, None, envelope(FLAT, ids[1]), *(envelope(NOISE, i) for i in ids[2:])]
    totals = send(envelopes, "b:1", "t", 5.0)
    assert (totals.messages, totals.recoded, totals.left_out, totals.without_pixels) == (2, 1, 7, 1)
    assert totals.too_large == ids[2:7], "five samples"
    assert totals.bytes == sum(len(value) for _, value in broker.messages)
    assert [key.decode() for key, _ in broker.messages] == ids[:2]
    assert decode(broker.messages[1][1]).header["encoding"] == "pixels-png"
    assert np.array_equal(pixels_of(decode(broker.messages[1][1])), FLAT)


def test_a_rate_spreads_the_messages(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(worker.time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    send([envelope(FLAT)] * 5, "b:1", "t", 5.0, rate=2.0)
    assert clock[0] == pytest.approx(102.0), "the fifth message 4 / 2 seconds after the first"
    assert len(broker.messages) == 5


def test_an_executor_returns_counts_and_its_error_as_a_value(broker: Broker) -> None:
    batch = pa.RecordBatch.from_pylist([row(FLAT, f"{n:064x}") for n in range(300)])
    (counted,) = send_batches(iter([batch, batch]), "b:1", "t", 5.0, False, None)
    assert counted.schema == worker.TOTALS_SCHEMA
    assert PublishTotals(**counted.to_pylist()[0]).messages == 600
    broker.unreachable = True
    (failed,) = send_batches(iter([batch]), "b:1", "t", 5.0, False, None)
    totals = PublishTotals(**failed.to_pylist()[0])
    assert (totals.error, totals.exit_code) == (
        "no broker answered at b:1",
        BusUnreachable.exit_code,
    )


def test_totals_add_up_and_the_first_error_wins() -> None:
    one = PublishTotals(1, 10, 2, 4, 1, ["a", "b", "c", "d"])
    other = PublishTotals(2, 5, 0, 3, 0, ["e", "f", "g"], "gone", 5)
    total = PublishTotals().plus(one).plus(other).plus(PublishTotals(error="late", exit_code=1))
    assert total == PublishTotals(3, 15, 2, 7, 1, ["a", "b", "c", "d", "e"], "gone", 5)


def test_the_report_counts_what_was_left_out() -> None:
    totals = PublishTotals(messages=3, bytes=30, recoded=1, left_out=2, too_large=["x", "y"])
    totals.without_pixels = 4
    report = closing_report(Report("publish_images"), "t", totals, "")
    assert report.results["messages"] == 3
    assert (report.results["left_out_too_large"], report.results["left_out_without_pixels"]) == (
        2,
        4,
    )
    assert "for example x, y; raise the topic's limit" in report.notes[0]
    assert report.notes[1] == "4 rows have no pixels and were left out"
    with pytest.raises(NoData, match="nothing to publish: the query has no rows"):
        closing_report(Report("publish_images"), "t", PublishTotals(), "the query has no rows")
    with pytest.raises(BusError, match="gone") as caught:
        closing_report(Report("publish_images"), "t", PublishTotals(error="gone", exit_code=5), "")
    assert caught.value.exit_code == 5


def test_the_order_is_that_of_a_hash() -> None:
    assert order_key(7, "c", "ab") == hashlib.sha256(b"7/c/ab").hexdigest()
    assert len({order_key(seed, "c", "ab") for seed in range(100)}) == 100


def test_rows_of_a_training_set_go_in_the_order_of_their_keys() -> None:
    ids = [f"{n:064x}" for n in range(600)]
    table = pa.Table.from_pylist(
        [row(np.full((2, 2, 1), n % 256, np.uint8), i) for n, i in enumerate(ids)]
    )
    found = list(frozen_envelopes(table, False, 3, SparkProgress(None, "publish")))
    sent = [one.header["image_id"] for one in found if one is not None]
    assert sent == sorted(ids, key=lambda image_id: order_key(3, "c", image_id))
    assert sent != ids
    for one in found:
        assert one is not None
        number = ids.index(one.header["image_id"])
        assert (pixels_of(one) == number % 256).all(), "each id with its own pixels"


@pytest.mark.parametrize("with_labels", [True, False])
def test_files_go_unchanged(tmp_path: Path, with_labels: bool) -> None:
    folder = write_image_folder(tmp_path, images=2)
    (folder / "0.png").write_bytes(encode_png(FLAT))
    paths = ["b/001.png", "0.png", "a/000.png"]
    read = open_reader(str(folder))
    found = list(file_envelopes(read, paths, "c", with_labels, SparkProgress(None, "publish")))
    assert [one.payload for one in found] == [(folder / path).read_bytes() for path in paths]
    assert all(image_id_in(one) == one.header["image_id"] for one in found)
    assert [one.header.get("uri") for one in found] == (paths if with_labels else [None] * 3)
    classes = [one.header.get("class") for one in found]
    assert classes == (["b", None, "a"] if with_labels else [None] * 3)

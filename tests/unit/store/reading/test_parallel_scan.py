"""A scan by tokens: every batch once; an error or a consumer that stops ends all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from labelmill.store.reading.parallel_scan import read
from labelmill.store.scans import Scan
from labelmill.store.schema.tables import IMAGES

TOKENS, BATCHES = 6, 5


class _Client:
    """Gives for each token numbered batches; counts them."""

    def __init__(self) -> None:
        self.given = 0

    def scan(self, table: Any, columns: Any, *where: Any, token: bytes = b"") -> Scan:
        def batches() -> Iterator[pa.RecordBatch]:
            for number in range(BATCHES):
                self.given += 1
                yield pa.record_batch({"image_id": [f"{token.decode()}/{number}"]})

        def cut() -> list[bytes]:
            return [str(n).encode() for n in range(TOKENS)]

        return Scan(lambda: iter(()), batches, cut)


def _read(client: _Client, put: Callable[[pa.RecordBatch], object], *stop: threading.Event) -> None:
    read(client, IMAGES, ["image_id"], {"collection": "c"}, 1, put, *stop)  # type: ignore[arg-type]


def test_every_batch_comes_once() -> None:
    found: list[str] = []
    _read(_Client(), lambda batch: found.extend(batch["image_id"].to_pylist()))
    assert sorted(found) == sorted(f"{t}/{n}" for t in range(TOKENS) for n in range(BATCHES))


def test_an_error_ends_all() -> None:
    client = _Client()

    def refuse(batch: pa.RecordBatch) -> None:
        raise ValueError(batch["image_id"][0].as_py())

    with pytest.raises(ValueError, match=r"\d/0"):
        _read(client, refuse)
    assert client.given <= TOKENS


def test_who_wants_no_more_is_given_no_more() -> None:
    client, stop, found = _Client(), threading.Event(), []

    def take(batch: pa.RecordBatch) -> None:
        found.append(batch)
        stop.set()

    _read(client, take, stop)
    # The others may have been under way to their first batch.
    assert 1 <= len(found) < TOKENS
    assert client.given <= TOKENS + 1

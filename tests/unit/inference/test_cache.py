from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from labelmill.domain.models.artifact import pack, sha256_of
from labelmill.errors import ArtifactError
from labelmill.inference import cache
from labelmill.inference.cache import predictor_of
from tests.unit.inference.test_predictor import golden


@pytest.fixture(autouse=True)
def _cold() -> Iterator[None]:
    cache._warm.clear()
    yield
    cache._warm.clear()


def versions(count: int) -> list[bytes]:
    """Artifacts that differ in their parameters."""
    return [pack(replace(golden(), parameters={"seed": i})) for i in range(count)]


class Source:
    """Counts how often bytes were asked for."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def of(self, data: bytes) -> Callable[[], bytes]:
        def get() -> bytes:
            self.asked.append(data)
            return data

        return get


def test_two_versions_stay_warm_and_a_third_takes_the_place_of_the_one_used_longest_ago() -> None:
    first, second, third = versions(3)
    source = Source()
    for data in (first, second, first, third, first, second):
        predictor_of(sha256_of(data), source.of(data))
    assert source.asked == [first, second, third, second]
    assert len(cache._warm) == 2


def test_many_threads_load_once() -> None:
    (data,) = versions(1)
    source, found = Source(), []
    threads = [
        threading.Thread(
            target=lambda: found.append(predictor_of(sha256_of(data), source.of(data)))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert source.asked == [data]


def test_other_bytes_are_refused_and_not_kept() -> None:
    first, second = versions(2)
    with pytest.raises(ArtifactError, match=f"expected an artifact with sha256 {sha256_of(first)}"):
        predictor_of(sha256_of(first), lambda: second)
    assert not cache._warm


def test_a_model_that_fails_its_canary_is_not_kept() -> None:
    data = pack(replace(golden(), canary_outputs=np.zeros((8, 3), np.float32)))
    with pytest.raises(ArtifactError, match="does not predict"):
        predictor_of(sha256_of(data), lambda: data)
    assert not cache._warm

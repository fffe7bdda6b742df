"""How a wave becomes tasks."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.pipelines.ingest.wave_tasks import estimate_seconds, split_wave
from labelmill.sources.base import FILES, Wave, WaveBuilder


def wave_of(files: int, size: int = 0) -> Wave:
    builder = WaveBuilder()
    for number in range(files):
        builder.add(f"{number}.png", size)
    return builder.take()


def tables(parts: list[bytes]) -> list[pa.Table]:
    return [pa.ipc.open_stream(part).read_all() for part in parts]


@given(st.integers(1, 700), st.integers(1, 9), st.floats(1e-6, 10))
def test_every_file_is_in_one_task_and_the_order_stays(
    files: int, slots: int, seconds: float
) -> None:
    wave = wave_of(files)
    parts = tables(split_wave(wave.files, slots, seconds))
    assert all(part.schema == FILES and len(part) for part in parts)
    assert pa.concat_tables(parts).equals(wave.files)


@pytest.mark.parametrize(
    ("files", "slots", "seconds", "tasks"),
    [
        (10, 4, 1e-4, 1),  # no task has fewer files than are worth one
        (640, 4, 1e-4, 4),  # one task per slot
        (640, 4, 0.03, 8),  # whole rounds of tasks of about three seconds
        (640, 4, 100.0, 10),
    ],
)
def test_tasks_fill_the_slots(files: int, slots: int, seconds: float, tasks: int) -> None:
    parts = tables(split_wave(wave_of(files).files, slots, seconds))
    assert len(parts) == tasks
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_the_estimate_grows_with_the_files() -> None:
    small, large = estimate_seconds(wave_of(10, 300)), estimate_seconds(wave_of(10, 3_000_000))
    assert 5e-5 < small < 2e-4
    assert 0.05 < large < 0.1
    # Of a source that does not know its files there is no size.
    assert estimate_seconds(Wave(wave_of(1).files, None)) > 0

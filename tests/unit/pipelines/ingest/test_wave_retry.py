"""No file of a wave is lost, whatever executors return."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException

from labelmill.errors import StoreError
from labelmill.pipelines.ingest.wave_retry import Summaries, retry_in_parts
from labelmill.sources.base import FILES, Wave


def _wave(uris: list[str]) -> Wave:
    """A wave that falls into halves; a single file has no parts."""
    rows = [dict.fromkeys(FILES.names) | {"uri": uri, "size": 0} for uri in uris]
    table = pa.Table.from_pylist(rows, FILES)

    def parts() -> Iterator[Wave]:
        yield _wave(uris[: len(uris) // 2])
        yield _wave(uris[len(uris) // 2 :])

    return Wave(table, len(uris), parts=parts if len(uris) > 1 else None)


class _Take:
    """Loses what is named ``lost``, and fails where a ``denied`` is among others."""

    def __init__(self, error: Exception) -> None:
        self.error, self.taken = error, 0

    def __call__(self, wave: Wave) -> Summaries:
        self.taken += 1
        uris = wave.files["uri"].to_pylist()  # type: ignore[index]
        if "denied" in uris and len(uris) > 1:
            raise self.error
        return [{"files": 1} for uri in uris if uri != "lost" or len(uris) == 1]


DENIED = PySparkException("org.apache.hadoop.security.AccessControlException: Permission denied")


def _counted(uris: list[str], error: Exception = DENIED) -> tuple[list[str], int, int]:
    take = _Take(error)
    waves = list(retry_in_parts(_wave(uris), take))
    named = [uri for wave, _ in waves for uri in wave.files["uri"].to_pylist()]  # type: ignore[index]
    return named, sum(len(summaries) for _, summaries in waves), take.taken


@pytest.mark.parametrize(
    ("uris", "taken"),
    [
        (["a", "b", "c", "d"], 1),
        (["a", "b", "c", "lost"], 5),
        (["a", "denied", "c", "d"], 5),
        (["denied", "b", "lost", "d"], 7),
    ],
)
def test_every_file_counts_once_and_good_halves_are_not_cut_again(
    uris: list[str], taken: int
) -> None:
    assert _counted(uris) == (uris, len(uris), taken)


@pytest.mark.parametrize("error", [PySparkException("no room"), StoreError("Kudu is away")])
def test_other_errors_are_not_retried_in_parts(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        _counted(["a", "denied"], error)


def test_an_error_without_parts_is_an_error() -> None:
    def take(_: Wave) -> Summaries:
        raise DENIED

    with pytest.raises(PySparkException, match="Permission denied"):
        list(retry_in_parts(_wave(["a"]), take))

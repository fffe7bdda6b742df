"""Measures versions in passes over a slice, and keeps what was measured: no version twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.sql import DataFrame

from labelmill.domain.models.artifact import unpack
from labelmill.domain.models.comparison import Comparison
from labelmill.domain.models.metrics import Evaluation, evaluate_counts
from labelmill.errors import InputError
from labelmill.inference.predictor import Predictor
from labelmill.pipelines.evaluate.worker import CONFUSION_SCHEMA, confuse_batches
from labelmill.spark.arrow import struct_type
from labelmill.store.client import RowClient
from labelmill.store.records import models

VERSIONS_AT_ONCE = 32
"""Most versions measured in one pass over the slice; each is loaded in every task."""

BYTES_AT_ONCE = 256 << 20
"""Most bytes of artifacts in one pass, unless one alone has more."""

Measured = tuple[Evaluation, Comparison | None]
"""What was measured of a version, and how it compares with the serving one, if there is one."""


@dataclass(frozen=True)
class LoadedModel:
    """A version whose stored bytes and canary were verified."""

    data: bytes
    classes: tuple[str, ...]


def load_checked(client: RowClient, model: str, version: int) -> LoadedModel:
    """Loads a version and verifies that it predicts as when it was exported.

    Raises:
        MissingRow: No such version.
        ArtifactError: The stored model is not what was published.
    """
    data = models.load(client, model, version)[1]
    predictor = Predictor(unpack(data))
    predictor.check_canary()
    return LoadedModel(data, tuple(predictor.classes))


def measure(
    client: RowClient,
    model: str,
    rows: DataFrame,
    versions: Sequence[int],
    serving: tuple[int, LoadedModel] | None,
) -> Iterator[dict[int, Measured]]:
    """Measures versions, some in each pass; the serving version takes part in each.

    Args:
        client: Open client.
        model: Model name.
        rows: The slice, as `confuse_batches` takes it.
        versions: Versions to measure; only those of one pass are in memory.
        serving: The version with which they are compared; None: nothing is compared.

    Yields:
        What was measured in a pass, by version.

    Raises:
        MissingRow: No such version.
        ArtifactError: A stored model is not what was published.
        InputError: The slice has rows without class.
    """
    at_once: dict[int, LoadedModel] = {}
    size = 0
    for version in versions:
        loaded = load_checked(client, model, version)
        size += len(loaded.data)
        if at_once and (len(at_once) == VERSIONS_AT_ONCE or size > BYTES_AT_ONCE):
            yield _one_pass(rows, at_once, serving)
            at_once, size = {}, len(loaded.data)
        at_once[version] = loaded
    if at_once:
        yield _one_pass(rows, at_once, serving)


def _one_pass(
    rows: DataFrame, loaded: dict[int, LoadedModel], serving: tuple[int, LoadedModel] | None
) -> dict[int, Measured]:
    artifacts = {version: one.data for version, one in loaded.items()}
    if serving is not None:
        artifacts[serving[0]] = serving[1].data
    shared = rows.sparkSession.sparkContext.broadcast(artifacts)
    number = None if serving is None else serving[0]
    counting = partial(confuse_batches, artifacts=shared, serving=number)
    try:
        found = rows.mapInArrow(counting, struct_type(CONFUSION_SCHEMA)).collect()
    finally:
        shared.destroy()
    counted: dict[int, Counter[tuple[str, str | None]]] = defaultdict(Counter)
    paired: dict[int, Counter[tuple[bool, bool]]] = defaultdict(Counter)
    for row in found:
        version, truth, predicted, serving_right, images = row
        if truth is None:
            raise InputError(
                "the slice holds rows without class; join the view truth, or add "
                "`where class is not null`"
            )
        counted[version][truth, predicted] += images
        if serving_right is not None:
            paired[version][predicted == truth, serving_right] += images
    return {
        version: (
            evaluate_counts(counted[version], one.classes),
            None if number in (None, version) else _compared(number, paired[version]),
        )
        for version, one in loaded.items()
    }


def _compared(serving: int | None, pairs: Counter[tuple[bool, bool]]) -> Comparison:
    assert serving is not None
    return Comparison(
        serving,
        both_right=pairs[True, True],
        only_right=pairs[True, False],
        only_serving_right=pairs[False, True],
        both_wrong=pairs[False, False],
    )

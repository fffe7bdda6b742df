"""The names of numbered classes, where the file of a manifest brings them along."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.dataset as ds

from labelmill.errors import InputError
from labelmill.sources.manifest.rows import is_parquet

_HUGGING_FACE = b"huggingface"


def class_names(source: str) -> dict[str, tuple[str, ...]]:
    """Columns whose numbers stand for classes → the classes, as Hugging Face's datasets write them.

    The schema's metadata then holds, under ``huggingface``, a JSON object with the features; one of type
    ``ClassLabel`` has the names (https://huggingface.co/docs/datasets/about_dataset_features).

    Raises:
        InputError: Files of one manifest name other classes.
    """
    if not is_parquet(source):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for number, metadata in enumerate(_metadata(source)):
        names = _names_of(metadata.get(_HUGGING_FACE, b"{}"))
        if number and names != found:
            raise InputError(
                f"{source}: its files name other classes for their numbers; ingest them one by one"
            )
        found = names
    return found


def _metadata(source: str) -> Iterator[dict[bytes, bytes]]:
    try:
        for fragment in ds.dataset(source, format="parquet", partitioning="hive").get_fragments():
            yield fragment.physical_schema.metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source} is not Parquet: {error}") from None


def _names_of(text: bytes) -> dict[str, tuple[str, ...]]:
    with contextlib.suppress(ValueError, AttributeError, TypeError, KeyError):
        features = json.loads(text)["info"]["features"]
        return {
            column: tuple(map(str, feature["names"]))
            for column, feature in features.items()
            if feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    return {}

"""How a notebook shows a training set: counts by class and split, with a few images of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from labelmill.api.results.fragment import draw, figures, render
from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.feed.rows.split import SplitRows
from labelmill.feed.rows.targets import Classes, OneClass
from labelmill.feed.training_set import TrainingSet
from labelmill.settings import Settings
from labelmill.training_sets.registry import find

CLASSES = 20
"""Classes shown; the rest is counted."""

PICTURES = 80
"""Pictures in total, shared by the classes."""

EACH = 8
"""Pictures of one class."""

SEARCHED = 5_000
"""Rows that are searched for images which have several classes."""

__all__ = ["TrainingSet", "find_training_set", "render_training_set"]


@dataclass(frozen=True)
class ClassRow:
    """One line of the page: a class, its rows in each split, its share of the largest, pictures."""

    name: str
    counts: Sequence[int]
    share: float
    pictures: Sequence[bytes]


def find_training_set(settings: Settings, named: str) -> TrainingSet:
    """A training set by name, digest or folder; see `labelmill.training_sets.registry.find`."""
    return find(settings, named)


def render_training_set(training_set: TrainingSet) -> str:
    """A training set as an HTML fragment of bounded size."""
    manifest = training_set.manifest
    splits = [split for split in SPLITS_SHOWN if training_set.count(split)]
    counts = [(training_set.count(split), split) for split in splits]
    rows = _class_rows(training_set, splits)
    unclassified = [] if rows or not splits else _first_pictures(training_set.split_rows(splits[0]))
    return render(
        "training_set.html.j2",
        manifest=manifest,
        figures=figures(
            (len(training_set), "images" if manifest.kind == "images" else "records"),
            *([(len(manifest.classes), "classes")] if manifest.classes else []),
            *counts,
        ),
        splits=splits,
        rows=rows,
        more=len(manifest.classes) - len(rows),
        pictures=unclassified,
        has_pictures=manifest.kind == "images",
    )


def _class_rows(training_set: TrainingSet, splits: Sequence[str]) -> list[ClassRow]:
    histogram, classes = training_set.manifest.histogram, training_set.classes
    if not classes or not splits:
        return []
    totals = {
        name: sum(histogram.get(split, {}).get(name, 0) for split in splits) for name in classes
    }
    # In the order of class indices where all are shown, else the largest.
    shown = classes if len(classes) <= CLASSES else sorted(classes, key=lambda n: -totals[n])
    shown, top = shown[:CLASSES], max(totals.values()) or 1
    pictures: Mapping[str, Sequence[bytes]] = {}
    if training_set.manifest.kind == "images":
        pictures = _pictures(training_set.split_rows(splits[0]), classes, shown)
    return [
        ClassRow(
            name,
            [histogram.get(split, {}).get(name, 0) for split in splits],
            100 * totals[name] / top,
            pictures.get(name, ()),
        )
        for name in shown
    ]


def _pictures(
    rows: SplitRows, classes: Sequence[str], shown: Sequence[str]
) -> dict[str, list[bytes]]:
    """The first rows of each class; rows are sorted by the images' hash, so it is a fair draw."""
    each = max(1, min(EACH, PICTURES // len(shown)))
    index = {name: number for number, name in enumerate(classes)}
    has: dict[int, np.ndarray] = {}
    if isinstance(rows.target, OneClass):
        members = rows.target.members()
        has = dict(zip(np.flatnonzero(rows.target.counts()).tolist(), members, strict=True))
    elif isinstance(rows.target, Classes):
        hot = rows.target.take(np.arange(min(len(rows), SEARCHED)))
        has = {index[name]: np.flatnonzero(hot[:, index[name]]) for name in shown}
    chosen = {name: has[index[name]][:each] for name in shown if index[name] in has}
    return {name: _draw(rows, numbers) for name, numbers in chosen.items()}


def _first_pictures(rows: SplitRows) -> list[bytes]:
    """Images of a training set whose target is not a class."""
    if rows.about.kind != "images":
        return []
    return _draw(rows, np.arange(min(len(rows), PICTURES // 2)))


def _draw(rows: SplitRows, numbers: np.ndarray) -> list[bytes]:
    return [draw(np.asarray(image)) for image in rows.images.take(numbers.astype(np.int64))]


# feed draws no pages: it shows itself with this one.
TrainingSet.page = staticmethod(render_training_set)

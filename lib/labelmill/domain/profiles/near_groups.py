"""Groups of near-duplicate images, from pairs, and the leaks between splits that they cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelmill.domain.connected_components import IntArray, components
from labelmill.domain.splits.hashing import SPLITS_SHOWN

LEAKS = (("test", "train"), ("validation", "train"), ("test", "validation"))
"""Held-out split → split whose images it must not contain."""


class Nodes(NamedTuple):
    """Looks: images with the same pixels are one.

    Args:
        ids: ``(N,)`` int64, sorted.
        images: ``(N,)`` how many images look so.
        splits: ``(N, 3)`` how many of them are in each of `SPLITS_SHOWN`.
        low: ``(N,)`` object: their first class by name, or None.
        high: ``(N,)`` object: their last class by name, or None.
    """

    ids: IntArray
    images: IntArray
    splits: IntArray
    low: npt.NDArray[np.object_]
    high: npt.NDArray[np.object_]


class Edges(NamedTuple):
    """Pairs of looks.

    Args:
        a: ``(P,)`` int64, ids of nodes.
        b: ``(P,)`` int64.
        distance: ``(P,)`` bits.
        likeness: ``(P,)`` −1..1.
    """

    a: IntArray
    b: IntArray
    distance: IntArray
    likeness: npt.NDArray[np.float64]


@dataclass(frozen=True)
class NearGroup:
    """One group, shown by its most alike pair.

    Args:
        images: Images in it.
        a: Id of one look of the pair.
        b: Id of the other.
        distance: Bits in which their hashes differ.
        likeness: Of the pair.
        classes_differ: Whether its images have several classes.
    """

    images: int
    a: int
    b: int
    distance: int
    likeness: float
    classes_differ: bool


@dataclass(frozen=True)
class NearGroups:
    """All groups.

    Args:
        groups: How many.
        images: Images in groups.
        leaks: ``SPLIT in SPLIT`` → images of the first whose group reaches into the second.
        classes_differ: Groups whose images have several classes.
        largest: The largest, and of equal size the most alike.
        disputed: The largest of those whose classes differ.
    """

    groups: int
    images: int
    leaks: dict[str, int]
    classes_differ: int
    largest: list[NearGroup]
    disputed: list[NearGroup]


def near_groups(nodes: Nodes, edges: Edges, most: int) -> NearGroups:
    """Groups of looks that pairs connect, directly or through others.

    Args:
        nodes: All looks that pairs name, or more.
        edges: In any order; no pair twice.
        most: At most N groups are listed.
    """
    left, right = np.searchsorted(nodes.ids, edges.a), np.searchsorted(nodes.ids, edges.b)
    group = components(len(nodes.ids), left, right)
    named = np.zeros(len(nodes.ids), bool)
    named[left] = named[right] = True
    images = _sums(group, nodes.images * named)
    splits = np.stack([_sums(group, nodes.splits[:, i] * named) for i in range(3)], axis=1)
    disputed = _disputed(group, nodes, named)
    shown = _best_edges(group[left], edges, nodes, images, disputed)
    return NearGroups(
        groups=int((images > 0).sum()),
        images=int(images.sum()),
        leaks=leaks(splits),
        classes_differ=int(disputed.sum()),
        largest=shown[:most],
        disputed=[g for g in shown if g.classes_differ][:most],
    )


def leaks(splits: IntArray) -> dict[str, int]:
    """Images whose group reaches into a split that must not know them.

    Args:
        splits: ``(G, 3)`` images of each group in each of `SPLITS_SHOWN`.

    Returns:
        ``"test in train"`` and so on → images; only those that occur.
    """
    index = {str(name): i for i, name in enumerate(SPLITS_SHOWN)}
    found = {
        f"{one} in {other}": int(splits[splits[:, index[other]] > 0, index[one]].sum())
        for one, other in LEAKS
    }
    return {name: images for name, images in found.items() if images}


def _sums(group: IntArray, values: IntArray) -> IntArray:
    sums = np.zeros(len(group), np.int64)
    np.add.at(sums, group, values)
    return sums


def _disputed(group: IntArray, nodes: Nodes, named: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    known = named & np.array([name is not None for name in nodes.low], bool)
    names = {name: i for i, name in enumerate(sorted({*nodes.low[known], *nodes.high[known]}))}
    least, most = np.full(len(group), len(names)), np.full(len(group), -1)
    np.minimum.at(least, group[known], [names[name] for name in nodes.low[known]])
    np.maximum.at(most, group[known], [names[name] for name in nodes.high[known]])
    return most > least


def _best_edges(
    group: IntArray,
    edges: Edges,
    nodes: Nodes,
    images: IntArray,
    disputed: npt.NDArray[np.bool_],
) -> list[NearGroup]:
    """One edge per group, the most alike; for a disputed group one between classes, if there is one."""
    left, right = np.searchsorted(nodes.ids, edges.a), np.searchsorted(nodes.ids, edges.b)
    known = np.array([name is not None for name in nodes.low], bool)
    between = (nodes.low[left] != nodes.high[right]) | (nodes.high[left] != nodes.low[right])
    between &= known[left] & known[right]
    order = np.lexsort((edges.b, edges.a, -edges.likeness, ~between, group))
    first = order[np.r_[True, np.diff(group[order]) != 0]] if len(order) else order
    first = first[
        np.lexsort((edges.b[first], edges.a[first], -edges.likeness[first], -images[group[first]]))
    ]
    return [
        NearGroup(
            images=int(images[group[edge]]),
            a=int(edges.a[edge]),
            b=int(edges.b[edge]),
            distance=int(edges.distance[edge]),
            likeness=float(edges.likeness[edge]),
            classes_differ=bool(disputed[group[edge]]),
        )
        for edge in first.tolist()
    ]

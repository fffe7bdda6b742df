"""Which rows of an index are frozen and in which split: groups stay whole, classes are downsampled on request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from labelmill.domain.splits.assign import divide
from labelmill.domain.splits.balance import downsample
from labelmill.domain.splits.hashing import SPLITS, positions_of
from labelmill.errors import InputError, LabelmillError
from labelmill.feed.files.columns import Target
from labelmill.training_sets.assembly.groups import GROUP, groups_of, source_splits_of
from labelmill.training_sets.assembly.index import Labels
from labelmill.training_sets.assembly.options import Options

_KEPT_SALT = "\0kept"
_BLOCK = 1 << 16


@dataclass(frozen=True)
class SplitAssignment:
    """Rows of an index in the order of the training set, with their splits.

    Attributes:
        order: ``(M,)`` rows of the index: by split, then in index order.
        splits: ``(M,)`` indices into ``SPLITS``, ascending.
        provenance: How the splits were assigned, with the proof that nothing is in two splits; the
            manifest's ``splitting``.
    """

    order: npt.NDArray[np.int64]
    splits: npt.NDArray[np.int8]
    provenance: dict[str, Any]


def assign_splits(
    rows: pa.Table,
    key: str,
    target: Target,
    labels: Labels,
    given: npt.NDArray[np.int8],
    options: Options,
) -> SplitAssignment:
    """Assigns a split to every row of an index.

    Args:
        rows: In order of collection and key.
        key: ``image_id`` or ``record_id``.
        target: What is learned.
        labels: Of the rows.
        given: ``(N,)`` of `labelmill.training_sets.assembly.index.given_splits`.
        options: Fractions, groups, downsampling.

    Raises:
        InputError: A group or image that the query puts into two splits; options that do not
            fit the target or each other.
        LabelmillError: Something is in two splits; a bug in labelmill.
    """
    _check(options, target, GROUP in rows.column_names)
    division = options.division
    names, units = groups_of(rows, key)
    unit_given = source_splits_of(names, units, given, GROUP in rows.column_names)
    strata = np.zeros(len(names), np.int32)
    strata[units[::-1]] = labels.codes[::-1]  # the first row of a unit wins: it is assigned last
    positions = positions_of(texts(names), division.salt)
    unit_splits, held_out = divide(positions, unit_given, strata, division)
    splits = unit_splits[units]
    stays = np.ones(len(rows), np.bool_)
    if options.balance or options.limit_per_class is not None:
        chosen = positions_of(texts(rows[key]), division.salt + _KEPT_SALT)
        stays = downsample(splits, labels.codes, chosen, options.limit_per_class, options.balance)
    rows_kept = np.flatnonzero(stays)
    order = rows_kept[np.argsort(splits[rows_kept], kind="stable")]
    proof = _proof(rows, key, order, splits[order], unique_ids=names is rows[key])
    if torn := [name for name in ("ids", "groups") if proof.get(f"{name}_in_two_splits")]:
        raise LabelmillError(
            f"{' and '.join(torn)} would be in two splits, a bug in labelmill; nothing was "
            "frozen. Add a column split to the query, and report the query to us"
        )
    provenance = {
        "fractions": list(division.fractions),
        "salt": division.salt,
        "given": sorted(SPLITS[code] for code in np.unique(given[given >= 0])),
        "validation_from_train": division.validation_fraction if held_out else 0.0,
        "stratified": division.stratify,
        "balanced": options.balance,
        "limit_per_class": options.limit_per_class,
        "left_out": len(rows) - len(order),
        **proof,
    }
    return SplitAssignment(order, splits[order], provenance)


def texts(values: pa.ChunkedArray) -> Iterator[str]:
    """Yields values one by one, with few of them as Python objects at a time."""
    for start in range(0, len(values), _BLOCK):
        yield from values.slice(start, _BLOCK).to_pylist()


def _check(options: Options, target: Target, grouped: bool) -> None:
    if options.division.stratify and target not in ("class", "classes"):
        raise InputError("exact shares of each class (--stratify) need a class as target")
    if options.division.stratify and grouped:
        raise InputError(
            "groups stay whole, so classes cannot have exact shares; drop --stratify or the group column"
        )
    if (options.balance or options.limit_per_class is not None) and target != "class":
        raise InputError(
            "--balance and --limit-per-class count rows of a class; this slice has "
            + ("several classes per row" if target == "classes" else "no class")
        )
    if options.class_list is not None and target not in ("class", "classes"):
        raise InputError("a class list needs a class as target")


def _proof(
    rows: pa.Table,
    key: str,
    order: npt.NDArray[np.int64],
    splits: npt.NDArray[np.int8],
    unique_ids: bool,
) -> dict[str, Any]:
    """Counts, on the rows as written, how many ids and groups are in two splits.

    Args:
        rows: In order.
        key: ``image_id`` or ``record_id``.
        order: Rows of the index that are written.
        splits: Their splits.
        unique_ids: The ids are known to be unique, from sorting.
    """
    proof: dict[str, Any] = {}
    if unique_ids and len(np.unique(order)) == len(order):
        counts = np.bincount(splits, minlength=len(SPLITS)).tolist()
        proof["ids_in_two_splits"] = 0
        proof["ids"] = {s: count for s, count in zip(SPLITS, counts, strict=True) if count}
        return proof
    for name, named in _unit_names(rows, key).items():
        encoded = named.take(pa.array(order)).dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
        in_split = np.zeros((len(SPLITS), len(encoded.dictionary)), np.bool_)
        in_split[splits[codes >= 0], codes[codes >= 0]] = True
        proof[f"{name}_in_two_splits"] = int(np.count_nonzero(in_split.sum(axis=0) > 1))
        counts = zip(SPLITS, in_split.sum(axis=1).tolist(), strict=True)
        proof[name] = {split: count for split, count in counts if count}
    return proof


def _unit_names(rows: pa.Table, key: str) -> dict[str, pa.Array]:
    """The values per row that must not be in two splits."""
    ids = rows[key].combine_chunks()
    if key == "record_id":
        ids = pc.binary_join_element_wise(rows["collection"].combine_chunks(), ids, "\0")
    return {"ids": ids} | (
        {"groups": rows[GROUP].combine_chunks()} if GROUP in rows.column_names else {}
    )

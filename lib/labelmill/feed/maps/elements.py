"""Elements: an array, or dicts and tuples of arrays, as a model with several inputs is fed.

A list is no structure but images of mixed shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labelmill.array_pool import empty
from labelmill.errors import InputError


def leaves(element: Any) -> list[Any]:
    """The arrays of an element: of features, of a pair, or the one."""
    if element is None:
        return []
    if isinstance(element, dict):
        return [leaf for name in element for leaf in leaves(element[name])]
    if isinstance(element, tuple):
        return [leaf for part in element for leaf in leaves(part)]
    if isinstance(element, list):
        return [leaf for part in element for leaf in leaves(np.asarray(part)[None])]
    return [element]


def shaped(element: Any, change: Callable[[Any], Any]) -> Any:
    """An element with every array changed."""
    if isinstance(element, dict):
        return {name: shaped(leaf, change) for name, leaf in element.items()}
    if isinstance(element, tuple):
        return tuple(shaped(part, change) for part in element)
    return change(element)


def joined(parts: Sequence[Any]) -> Any:
    """Elements one after the other.

    Raises:
        InputError: They differ in shape.
    """
    return _combined(parts, _concatenated)


def together(rows: Sequence[Any]) -> Any:
    """Elements of one row each, put together; see `stacked`.

    Raises:
        InputError: They differ in what they consist of.
    """
    return _combined(rows, lambda leaves: stacked([np.asarray(leaf) for leaf in leaves]))


def stacked(parts: Sequence[np.ndarray[Any, Any]]) -> Any:
    """``(N, …)`` where all shapes and dtypes agree, else the list."""
    if not parts or len({(part.shape, part.dtype) for part in parts}) > 1:
        return list(parts)
    return np.stack(parts, out=empty((len(parts), *parts[0].shape), parts[0].dtype))


def mixed(what: str) -> InputError:
    """The error about rows that do not fit into one array."""
    return InputError(
        f"images of {what} cannot go into one batch; add a map that makes them one shape: "
        "map=prepared(['grey', {'resize': [height, width]}]), or crop(height, width)"
    )


def _combined(parts: Sequence[Any], combine: Callable[[Sequence[Any]], Any]) -> Any:
    structures = {_structure(part) for part in parts}
    if len(structures) > 1:
        raise InputError(
            f"a map gave {' and '.join(sorted(map(str, structures)))}; expected the same for all rows"
        )
    if isinstance(parts[0], dict):
        return {name: _combined([part[name] for part in parts], combine) for name in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(_combined(some, combine) for some in zip(*parts, strict=True))
    return combine(parts)


def _structure(part: Any) -> str:
    if isinstance(part, dict):
        return f"a dict of {sorted(part)}"
    return f"a tuple of {len(part)}" if isinstance(part, tuple) else "an array"


def _concatenated(parts: Sequence[Any]) -> Any:
    if any(isinstance(part, list) for part in parts) or len({p.shape[1:] for p in parts}) > 1:
        raise mixed("mixed shapes")
    return np.concatenate(parts)

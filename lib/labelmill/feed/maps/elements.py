"""Elements: an array, or nested dicts and tuples of arrays, as a model with several inputs is fed.

A list is not a structure: it holds images of mixed shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labelmill.array_pool import empty
from labelmill.errors import InputError


def leaves(element: Any) -> list[Any]:
    """The arrays of an element, in order.

    Example:
        >>> leaves(({"age": np.array([1])}, np.array([2])))
        [array([1]), array([2])]
    """
    if element is None:
        return []
    if isinstance(element, dict):
        return [leaf for name in element for leaf in leaves(element[name])]
    if isinstance(element, tuple):
        return [leaf for part in element for leaf in leaves(part)]
    if isinstance(element, list):
        return [leaf for part in element for leaf in leaves(np.asarray(part)[None])]
    return [element]


def map_arrays(element: Any, change: Callable[[Any], Any]) -> Any:
    """An element with every array changed.

    Example:
        >>> map_arrays({"age": np.array([1])}, lambda leaf: leaf * 10)
        {'age': array([10])}
    """
    if isinstance(element, dict):
        return {name: map_arrays(leaf, change) for name, leaf in element.items()}
    if isinstance(element, tuple):
        return tuple(map_arrays(part, change) for part in element)
    return change(element)


def concatenate(parts: Sequence[Any]) -> Any:
    """Concatenates elements of several rows each.

    Raises:
        InputError: They differ in shape or in structure.
    """
    return _combined(parts, _concatenated)


def stack_elements(rows: Sequence[Any]) -> Any:
    """Stacks elements of one row each; see `stack`.

    Raises:
        InputError: They differ in structure.
    """
    return _combined(rows, lambda leaves: stack([np.asarray(leaf) for leaf in leaves]))


def stack(parts: Sequence[np.ndarray[Any, Any]]) -> Any:
    """One array ``(N, …)`` if all shapes and dtypes agree, else a list of the arrays."""
    if not parts or len({(part.shape, part.dtype) for part in parts}) > 1:
        return list(parts)
    return np.stack(parts, out=empty((len(parts), *parts[0].shape), parts[0].dtype))


def mixed_error(what: str) -> InputError:
    """The error for rows that do not fit into one array."""
    return InputError(
        f"images of {what} cannot go into one batch; add a map that makes them one shape: "
        "map=prepared(['grey', {'resize': [height, width]}]), or crop(height, width)"
    )


def _combined(parts: Sequence[Any], combine: Callable[[Sequence[Any]], Any]) -> Any:
    structures = {_structure(part) for part in parts}
    if len(structures) > 1:
        raise InputError(
            f"a map returned {' and '.join(sorted(map(str, structures)))}; expected the same for all rows"
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
        raise mixed_error("mixed shapes")
    return np.concatenate(parts)

"""What the labels of IDX files mean beyond a number an item: EMNIST's characters, QMNIST's rows."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from labelmill.errors import InputError
from labelmill.sources.base import SourceOptions
from labelmill.sources.metadata import attributes_of


def read_mapping(path: str) -> dict[str, str]:
    """Label → class, of a file of lines ``LABEL CODE …`` (EMNIST's mapping); empty without a path.

    Raises:
        InputError: The file cannot be read, or a line is something else.
    """
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.split() for line in file if line.strip()]
        return {str(int(label)): chr(int(code)) for label, code, *_ in lines}
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"--mapping {path}: {error}; expected lines of a label and the code of its character, '10 65'"
        ) from None


def hints(files: list[str], options: SourceOptions) -> list[str]:
    """What EMNIST's files need, and nothing in them says."""
    found = [path for path in files if os.path.basename(path).lower().startswith("emnist")]
    if not found:
        return []
    notes = []
    if not options.transpose:
        notes.append(
            "EMNIST stores its pictures with rows and columns exchanged; --transpose turns them"
        )
    if not options.mapping:
        begin = os.path.basename(found[0]).lower().split("-")[:2]
        mapping = "-".join([*begin, "mapping.txt"])
        there = os.path.exists(os.path.join(os.path.dirname(found[0]), mapping))
        notes.append(
            "EMNIST's labels are numbers of characters; "
            f"--mapping {mapping if there else 'emnist-…-mapping.txt'} makes classes of them"
        )
    return notes


def class_named(label: str, names: Mapping[str, str], source: str) -> str:
    """The class of a label: itself where there is no mapping.

    Raises:
        InputError: The mapping lacks it.
    """
    if not names:
        return label
    if label not in names:
        raise InputError(
            f"{source} has the label {label}, which --mapping does not name; it names "
            f"{', '.join(list(names)[:8])} …"
        )
    return names[label]


def attributes_of_rows(rows: npt.NDArray[np.int64]) -> list[str | None]:
    """The columns after the first as JSON objects: ``{"label_1": …}``."""
    return [
        attributes_of({f"label_{i}": value for i, value in enumerate(row[1:], 1)})
        for row in rows.tolist()
    ]

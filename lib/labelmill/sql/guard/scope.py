"""What the guard knows about the surroundings of a node: names in scope, and the construct around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from labelmill.sql.guard.key_column import Keys
from labelmill.sql.plan.node import Node


@dataclass(frozen=True)
class Scope:
    """What a node may refer to, and what surrounds it.

    Attributes:
        ctes: Names of WITH → what tells their rows apart (`row_keys`).
        windows: Names of WINDOW → their definition.
        plan: The plan that the expressions belong to.
        ordered: Within a window function whose order is total.
        order_blind: Within a function that ignores the order of its array.
    """

    ctes: Mapping[str, Keys] = field(default_factory=dict)
    windows: Mapping[str, Node] = field(default_factory=dict)
    plan: Node | None = None
    ordered: bool = False
    order_blind: bool = False


Visits = Iterable[tuple[Node, Scope]]
"""Nodes still to be visited, each with its scope."""


def children_in(node: Node, scope: Scope) -> Visits:
    """All children of a node, in one scope."""
    return [(child, scope) for child in node.children]


def windows_of(definition: Node) -> dict[str, Node]:
    """The windows that ``WINDOW name AS (…)`` defines.

    Args:
        definition: ``WithWindowDefinition``.
    """
    pairs = (pair.children for pair in definition.children[0].children)
    return {name.text: spec for name, spec in pairs if name.text is not None}

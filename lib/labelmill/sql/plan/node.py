"""A node of a query plan as plain data: it needs no JVM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a plan, or a value inside one.

    Attributes:
        kind: Its Java class.
        children: What it consists of, in the order of the class's constructor arguments.
        text: Value of a string, number or boolean; else None.
        start: First character in the query, counted in code points; -1 where the parser keeps none.
        stop: Last character.
    """

    kind: str
    children: tuple[Node, ...] = ()
    text: str | None = None
    start: int = -1
    stop: int = -1

    @property
    def name(self) -> str:
        """The class without its package, and without the ``$`` that ends a Scala object's name."""
        return self.kind.rsplit(".", 1)[-1].rstrip("$")

    def walk(self) -> Iterator[Node]:
        """This node and all its descendants, depth first, parents before children."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def texts(self) -> list[str]:
        """The strings of a list, for example the parts of a dotted name."""
        return [node.text for node in self.children if node.text is not None]


def build_tree(rows: list[list[Any]]) -> Node:
    """Builds a tree from a list in which each node precedes its children.

    Args:
        rows: [class, number of children, first character, last character, text] per node, as
            `PlanReader.java` and `SelectionReader.java` write them.

    Example:
        >>> tree = build_tree([["a.Not", 1, 0, 3, None], ["a.Literal$", 0, 4, 4, "1"]])
        >>> [(node.name, node.text) for node in tree.walk()]
        [('Not', None), ('Literal', '1')]
    """
    done: list[Node] = []
    # Backwards: the children of a node are then the nodes built last.
    for kind, count, start, stop, text in reversed(rows):
        children = tuple(done.pop() for _ in range(count))
        done.append(Node(kind, children, text, start, stop))
    return done[0]

"""One walk over a parsed plan: refuses what is not allowed, collects what the query needs.

Pure: nodes in, a verdict out. The walk keeps its own stack, so no query is nested too deeply for it.
"""

from __future__ import annotations

from dataclasses import replace

from labelmill.errors import UnknownName
from labelmill.sql.guard import (
    binary_as_text,
    nondeterministic,
    permissions,
    repeatability,
    row_keys,
)
from labelmill.sql.guard.scope import Scope, Visits, children_in, windows_of
from labelmill.sql.plan.node import Node
from labelmill.sql.sampling import Sample


class GuardWalk:
    """A walk over one query.

    Args:
        sql: The text.
        views: Lower-case names that may be read.
        repeatable: Refuse whatever may give another answer on the same snapshot (`repeatability`).

    Attributes:
        parameters: Named parameters, in the order of their first use.
        read: Views that are read.
        samples: Samples of views, with the seed that the parser gave; only when `repeatable`.
    """

    def __init__(self, sql: str, views: set[str], repeatable: bool) -> None:
        self._sql, self._views, self._repeatable = sql, views, repeatable
        # Constant bytes that are used as text: reported only if no other error was found.
        self._used_as_text: str | None = None
        self.parameters: list[str] = []
        self.read: set[str] = set()
        self.samples: list[Sample] = []

    def over(self, plan: Node) -> None:
        """Walks the whole plan.

        Raises:
            QueryRefused: Something that is not on the lists.
            UnknownName: A relation that is not a view.
            InputError: Constant bytes that are used as text.
        """
        waiting = [(plan, Scope())]
        while waiting:
            node, scope = waiting.pop()
            waiting.extend(reversed(list(self._visit(node, scope))))
        if self._used_as_text is not None:
            raise binary_as_text.used_as_text(self._used_as_text)

    def _visit(self, node: Node, scope: Scope) -> Visits:
        if node.kind.startswith(permissions.CATALYST) and permissions.is_listed(node):
            return self._visit_listed(node, scope)
        if permissions.is_value(node):
            return ()
        if permissions.is_collection(node):
            return children_in(node, scope)
        raise permissions.refusal(node, self._views)

    def _visit_listed(self, node: Node, scope: Scope) -> Visits:
        match node.name:
            case "Literal":
                if self._repeatable:
                    repeatability.refuse_special_time(node, self._sql)
                return ()
            case "UnresolvedWith":
                return self._visit_with(node, scope)
            case "UnresolvedRelation":
                self._add_relation(node, scope)
                return ()
            case "UnresolvedAttribute":
                self._check_attribute(node.children[0].texts())
            case "NamedParameter":
                self._add_parameter(node.children[0].text or "")
            case "UnresolvedFunction":
                return self._visit_call(node, scope)
            case "UnresolvedGenerator":
                self._check_function(permissions.name_parts(node.children[0]), scope)
                return children_in(node.children[1], scope)
            case "UnresolvedInlineTable":
                self._note_text(binary_as_text.bytes_in_values(node))
            case "UnresolvedTableValuedFunction":
                permissions.require_table_function(node.children[0].texts())
            case "UnresolvedHint":
                permissions.require_hint(node.children[0].text or "")
            case "WithWindowDefinition":
                windows = {**scope.windows, **windows_of(node)}
                return children_in(node, replace(scope, windows=windows))
            case "WindowExpression" | "UnresolvedWindowExpression":
                return self._visit_window(node, scope)
            case "Alias" if node.children[1].text == "classes":
                # Freezing sorts this column itself: a training set's classes have no order.
                return children_in(node, replace(scope, order_blind=True))
            case _ if self._repeatable:
                self._check_repeatable(node, scope)
        if node.kind.startswith(permissions.PLANS):
            scope = replace(scope, plan=node, ordered=False)
        return children_in(node, scope)

    def _visit_with(self, node: Node, scope: Scope) -> Visits:
        child, relations = node.children[:2]
        for relation in relations.children:
            name, query = relation.children
            yield query, scope
            # Later queries of the WITH, and the main one, may use this name; the query itself may not.
            keys = row_keys.keys_of(query, scope.ctes) if self._repeatable else ()
            scope = replace(scope, ctes={**scope.ctes, (name.text or "").lower(): keys})
        yield child, scope

    def _visit_call(self, node: Node, scope: Scope) -> Visits:
        function = self._check_function(node.children[0].texts(), scope)
        if function == "reverse":
            self._note_text(binary_as_text.bytes_in_reverse(node))
        order_blind = function in nondeterministic.ORDER_BLIND
        return children_in(node, replace(scope, order_blind=order_blind, ordered=False))

    def _visit_window(self, node: Node, scope: Scope) -> Visits:
        function, spec = node.children[:2]
        if self._repeatable:
            named = spec.children[0].text if spec.name == "WindowSpecReference" else None
            known = scope.windows.get(named) if named is not None else spec
            keys = row_keys.keys_of(scope.plan, scope.ctes) if scope.plan else ()
            repeatability.require_ordered_window(function, known, self._sql, keys)
        yield function, replace(scope, ordered=True)
        yield spec, scope

    def _add_relation(self, node: Node, scope: Scope) -> None:
        written = permissions.require_view_name(node, self._views)
        name = written.lower()
        if name in scope.ctes:
            return
        if name not in self._views:
            raise UnknownName("view", written, self._views | set(scope.ctes))
        self.read.add(name)

    def _add_parameter(self, name: str) -> None:
        if name not in self.parameters:
            self.parameters.append(name)

    def _note_text(self, expression: str | None) -> None:
        self._used_as_text = self._used_as_text or expression

    def _check_attribute(self, name: list[str]) -> None:
        permissions.refuse_environment(name)
        if self._repeatable and len(name) == 1:
            function = name[0].lower()
            if function in nondeterministic.WITHOUT_PARENTHESES:
                repeatability.require_deterministic(function)

    def _check_function(self, name: list[str], scope: Scope) -> str:
        function = permissions.require_function(name)
        if self._repeatable:
            self._check_deterministic(function, scope)
        return function

    def _check_deterministic(self, function: str, scope: Scope) -> None:
        ordered = function in nondeterministic.ORDER_DEPENDENT and scope.ordered
        sorted_later = function in nondeterministic.COLLECTING and scope.order_blind
        if not (ordered or sorted_later):
            repeatability.require_deterministic(function)

    def _check_repeatable(self, node: Node, scope: Scope) -> None:
        if node.name in nondeterministic.CLASSES:
            self._check_deterministic(nondeterministic.CLASSES[node.name], scope)
        if node.name == "Sample":
            self.samples.append(repeatability.sample_of(node, scope.ctes))
        if node.name in ("LocalLimit", "Offset"):
            keys = row_keys.keys_of(node, scope.ctes)
            repeatability.require_ordered_limit(node, self._sql, keys)

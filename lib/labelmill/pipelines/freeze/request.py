"""What to freeze: a query, a named slice or a whole collection, all as a query in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labelmill.errors import InputError
from labelmill.pipelines.freeze.driver import truth_sql
from labelmill.settings import Settings
from labelmill.sql.named_slices import load


@dataclass(frozen=True)
class FreezeQuery:
    """A query with its parameters.

    Attributes:
        sql: The query.
        parameters: Name → text of each ``:parameter``.
        source_splits: The query gives no split: take those of ``images``.
    """

    sql: str
    parameters: dict[str, str]
    source_splits: bool = False


def freeze_query(
    settings: Settings,
    sql: str | None = None,
    slice: str | None = None,
    collection: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> FreezeQuery:
    """The query that a freeze is asked for; exactly one of the first three is given.

    Args:
        settings: Where named slices are.
        sql: A query.
        slice: A named slice or its file.
        collection: All its images that have a truth.
        parameters: Name → text.

    Raises:
        InputError: None or several were given; a parameter without a value.
        UnknownName: No such slice or parameter; suggests the closest match.
    """
    if sum(given is not None for given in (sql, slice, collection)) != 1:
        raise InputError(
            "give one of a query (--sql), a named slice (--slice) and a collection (--collection)"
        )
    texts = dict(parameters or {})
    if slice is not None:
        named = load(slice, settings)
        return FreezeQuery(named.sql, named.values(texts))
    if collection is not None:
        return FreezeQuery(truth_sql(collection), texts, source_splits=True)
    return FreezeQuery(str(sql), texts)

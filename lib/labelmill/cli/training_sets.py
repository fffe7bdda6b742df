"""``labelmill slice sets``: lists training sets, without Spark."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill import settings as settings_module
from labelmill.cli.output import Json, Masters, Prefix, print_rows
from labelmill.domain.retention import TrainingSetRow


def sets(
    name: Annotated[str | None, typer.Argument(help="Only those of this name.")] = None,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """List training sets, newest first.

    Shows their size, their location, and what uses them.
    """
    from labelmill.retention.training_sets import known
    from labelmill.store.connect import open_client

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        found = [one for one in known(client) if name in (None, one.name)]
    finally:
        client.close()
    print_rows([_row(one, as_json) for one in found], as_json)


def _row(one: TrainingSetRow, as_json: bool) -> dict[str, object]:
    from labelmill.training_sets.removal import size_of

    size = size_of(one.location)
    return {
        "digest": one.digest if as_json else one.digest[:12],
        "name": one.name,
        "rows": one.rows,
        "bytes": size if as_json else (f"{size:,}" if size is not None else "no files"),
        "created_at": one.created_at,
        "used_by": list(one.used_by) if as_json else shorten(one.used_by),
        # The folder is named by the digest, which is the first column.
        "location": one.location if as_json else one.location.removesuffix(f"/{one.digest}"),
    }


def shorten(used_by: tuple[str, ...]) -> str:
    """The first three users; a sweep makes dozens of versions."""
    more = len(used_by) - 3
    return ", ".join(used_by[:3]) + (f" and {more} more" if more > 0 else "")

"""``labelmill digest``: a hash of what a collection holds, to compare runs."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill import settings as settings_module
from labelmill.cli.output import Masters, Prefix, Snapshot


def digest(
    collections: Annotated[
        list[str] | None,
        typer.Argument(help="Collections. Default: all collections that have images."),
    ] = None,
    snapshot: Snapshot = None,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Print a digest of each collection.

    It covers images, pixels and annotations. The same rows give the same digest, regardless of how
    and in which order they were written. Times of writing do not count.
    """
    from labelmill.sql.snapshot import settled_snapshot
    from labelmill.store.connect import open_client
    from labelmill.store.records.digest import CATALOGUE, collection_digest
    from labelmill.store.schema.tables import IMAGES

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    if snapshot is not None:
        snapshot = settled_snapshot(settings, snapshot)
    client = open_client(settings)
    try:
        for table in CATALOGUE:
            client.ensure(table)
        named = collections or sorted(
            {str(row["collection"]) for row in client.scan(IMAGES, ["collection"], None, snapshot)}
        )
        for name in named:
            print(f"{collection_digest(client, name, snapshot)}  {name}")
    finally:
        client.close()

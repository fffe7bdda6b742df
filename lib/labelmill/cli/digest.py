"""``labelmill digest``: what a collection holds, in 64 hex digits, to compare runs."""

from __future__ import annotations

from typing import Annotated

import typer

from labelmill import settings as settings_module


def digest(
    collections: Annotated[
        list[str] | None, typer.Argument(help="Collections. Default: all that have images.")
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option(help="Read as of this time, milliseconds since 1970 UTC.")
    ] = None,
    kudu_masters: Annotated[
        str | None, typer.Option(help="Kudu masters. Default: settings.")
    ] = None,
    table_prefix: Annotated[str | None, typer.Option(help="Prefix of the Kudu tables.")] = None,
) -> None:
    """Print a digest per collection over its images, pixels and annotations.

    The same rows give the same digest, whatever wrote them in whatever order; times of writing do
    not count.
    """
    from labelmill.store.connect import open_client
    from labelmill.store.records.digest import CATALOGUE, collection_digest
    from labelmill.store.schema.tables import IMAGES

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
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

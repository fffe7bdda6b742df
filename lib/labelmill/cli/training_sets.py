"""``labelmill slice sets`` and ``prune``: lists and removes training sets, without Spark."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.output import Json, Masters, Prefix, print_rows
from labelmill.domain.retention import Rule, TrainingSetRow, choose
from labelmill.errors import InputError, LabelmillError


def sets(
    name: Annotated[str | None, typer.Argument(help="Only those of this name.")] = None,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """List training sets, newest first.

    Shows their size, their location, and what uses them.
    """
    from labelmill.store.connect import open_client
    from labelmill.training_sets.prune import known

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        found = [one for one in known(client) if name in (None, one.name)]
    finally:
        client.close()
    print_rows([_row(one, as_json) for one in found], as_json)


def prune(
    older_than: Annotated[
        float | None, typer.Option(help="Remove those frozen at least this many days ago.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(help="Keep this many of the newest of each name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only those of this name.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also remove those in use, and rows whose files cannot be reached."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without confirmation.")] = False,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Remove old training sets.

    Removes their files and rows; those in use only with --force. A training set is in use by a
    model trained on it, an evaluation on it, or a sweep that has not ended. If the command is
    interrupted, run it again.
    """
    from labelmill.store.connect import open_client
    from labelmill.training_sets import prune as pruning

    rule = Rule(older_than, keep, name, force)
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        choice = choose(pruning.known(client), rule, datetime.now(timezone.utc))
        print_rows([_row(one, as_json) for one in choice.remove], as_json)
        stderr = Console(stderr=True)
        for one in choice.spared:
            _say(
                stderr,
                f"kept: {_name_of(one)}, used by {_shorten(one.used_by)} (--force removes it)",
            )
        if dry_run or not choice.remove:
            return
        if not yes:
            _confirm(len(choice.remove))
        called = {one.digest: _name_of(one) for one in choice.remove}
        left = 0
        for gone in pruning.prune(client, list(choice.remove), force):
            left += not gone.removed
            what = "removed" if gone.removed else "kept"
            _say(stderr, f"{what}: {called[gone.digest]}" + (f"; {gone.note}" if gone.note else ""))
        if left:
            raise LabelmillError(f"{left} of {len(choice.remove)} training sets were not removed")
    finally:
        client.close()


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise InputError(
            "cannot ask for confirmation without a terminal; add --yes to remove them, or --dry-run"
        )
    typer.confirm(f"remove {count} training set{'s' * (count > 1)}?", abort=True, err=True)


def _row(one: TrainingSetRow, as_json: bool) -> dict[str, object]:
    from labelmill.training_sets.removal import size_of

    size = size_of(one.location)
    return {
        "digest": one.digest if as_json else one.digest[:12],
        "name": one.name,
        "rows": one.rows,
        "bytes": size if as_json else (f"{size:,}" if size is not None else "no files"),
        "created_at": one.created_at,
        "used_by": list(one.used_by) if as_json else _shorten(one.used_by),
        # The folder is named by the digest, which is the first column.
        "location": one.location if as_json else one.location.removesuffix(f"/{one.digest}"),
    }


def _name_of(one: TrainingSetRow) -> str:
    return f"{one.name} {one.digest[:12]}"


def _shorten(used_by: tuple[str, ...]) -> str:
    """The first three users; a sweep makes dozens of versions."""
    more = len(used_by) - 3
    return ", ".join(used_by[:3]) + (f" and {more} more" if more > 0 else "")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

"""``labelmill slice sets`` and ``prune``: training sets, and the old ones go. Without Spark."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.output import Json, Masters, Prefix
from labelmill.cli.output import show as show_rows
from labelmill.domain.retention import TrainingSetRow, Rule, choose
from labelmill.errors import InputError, LabelmillError


def sets(
    name: Annotated[str | None, typer.Argument(help="Only those of this name.")] = None,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """List training sets, the newest first: how large they are, where they lie, who points to them."""
    from labelmill.store.connect import open_client
    from labelmill.training_sets.prune import known

    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        found = [one for one in known(client) if name in (None, one.name)]
    finally:
        client.close()
    show_rows([_row(one, as_json) for one in found], as_json)


def prune(
    older_than: Annotated[
        float | None, typer.Option(help="Frozen so many days ago or longer.")
    ] = None,
    keep: Annotated[int | None, typer.Option(help="The newest so many of each name stay.")] = None,
    name: Annotated[str | None, typer.Option(help="Only those of this name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also what somebody points to, and rows whose files are out of reach."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Remove old training sets, files and rows; never one that somebody points to, unless forced.

    Who points: a model that learned from it, an evaluation on it, a sweep that has not ended.
    Interrupted, run it again.
    """
    from labelmill.store.connect import open_client
    from labelmill.training_sets import prune as pruning

    rule = Rule(older_than, keep, name, force)
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        choice = choose(pruning.known(client), rule, datetime.now(timezone.utc))
        show_rows([_row(one, as_json) for one in choice.remove], as_json)
        said = Console(stderr=True)
        for one in choice.spared:
            _say(said, f"stays: {_called(one)}, used by {_few(one.used_by)} (--force removes it)")
        if dry_run or not choice.remove:
            return
        if not yes:
            _ask(len(choice.remove))
        called = {one.digest: _called(one) for one in choice.remove}
        left = 0
        for gone in pruning.prune(client, list(choice.remove), force):
            left += not gone.removed
            what = "removed" if gone.removed else "stays"
            _say(said, f"{what}: {called[gone.digest]}" + (f"; {gone.note}" if gone.note else ""))
        if left:
            raise LabelmillError(f"{left} of {len(choice.remove)} training sets were not removed")
    finally:
        client.close()


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise InputError("nobody is there to be asked; add --yes to remove them, or --dry-run")
    typer.confirm(f"remove {count} training set{'s' * (count > 1)}?", abort=True, err=True)


def _row(one: TrainingSetRow, as_json: bool) -> dict[str, object]:
    from labelmill.training_sets.removal import size_of

    size = size_of(one.location)
    return {
        "digest": one.digest if as_json else one.digest[:12],
        "name": one.name,
        "rows": one.rows,
        "bytes": size if as_json else (f"{size:,}" if size is not None else "no files here"),
        "created_at": one.created_at,
        "used_by": list(one.used_by) if as_json else _few(one.used_by),
        # Its folder is named by the digest, which stands in front.
        "location": one.location if as_json else one.location.removesuffix(f"/{one.digest}"),
    }


def _called(one: TrainingSetRow) -> str:
    return f"{one.name} {one.digest[:12]}"


def _few(used_by: tuple[str, ...]) -> str:
    """A sweep makes dozens of versions; three of them say enough."""
    more = len(used_by) - 3
    return ", ".join(used_by[:3]) + (f" and {more} more" if more > 0 else "")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

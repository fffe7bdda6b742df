"""``labelmill prune``: removes old versions, micro-batches and training sets; without Spark."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.output import Json, Masters, Prefix, print_rows
from labelmill.cli.training_sets import shorten
from labelmill.domain.retention import Rule
from labelmill.errors import InputError, LabelmillError, UnknownName

if TYPE_CHECKING:
    from labelmill.retention.plan import PrunePlan

SPARED = 20
"""Things in use that are named; more are counted."""


def prune(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KIND]...",
            help="sweeps, micro-batches, versions, training-sets. Default: all of them.",
        ),
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(help="Remove what was made at least this many days ago.")
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            help="Keep this many of the newest of each model, stream and training set name."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Only models, streams, sweeps and training sets of this name."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also remove training sets in use, and their rows if their files cannot be reached. "
            "Versions in use always stay.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without confirmation.")] = False,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Remove what is old and not in use.

    Versions go with their chunks, evaluations, metrics and labels; training sets with their files.
    Sweeps without a sign of life for --older-than days, at least one, are marked as abandoned and stop
    keeping their training set. In use is a version that an alias names, a micro-batch that stays was
    labelled with, a running sweep made or a version that stays was trained from; and a training set of a
    version, an evaluation or a running sweep that stays. A stream's newest 100 micro-batches stay. A
    version's number is not given out again. If the command is interrupted, run it again.
    """
    from labelmill.retention import plan as planning
    from labelmill.retention.removal import prune as remove
    from labelmill.store.connect import open_client

    rule = Rule(older_than, keep, name, force)
    for kind in kinds or ():
        if kind not in planning.KINDS:
            raise UnknownName("kind", kind, planning.KINDS)
    _refuse_ignored(set(kinds or planning.KINDS), keep, force)
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        now = datetime.now(timezone.utc)
        plan = planning.plan_prune(client, rule, now, kinds or planning.KINDS)
        rows = _rows(plan, as_json)
        print_rows(rows, as_json)
        stderr = Console(stderr=True)
        _name_spared(stderr, plan)
        if dry_run or not rows:
            return
        if not yes:
            _confirm(len(rows))
        left = 0
        for one in remove(client, plan, rule):
            left += not one.removed
            verb = "removed" if one.removed else "kept"
            _say(stderr, f"{verb}: {one.what}" + (f"; {one.note}" if one.note else ""))
        if left:
            raise LabelmillError(f"{left} of the things above were not removed")
    finally:
        client.close()


def _refuse_ignored(kinds: set[str], keep: int | None, force: bool) -> None:
    """Raises InputError for flags that decide nothing about these kinds."""
    if keep is not None and kinds == {"sweeps"}:
        raise InputError(
            "--keep counts micro-batches, versions and training sets; a sweep leaves when it has shown no sign "
            "of life for --older-than days"
        )
    if force and "training-sets" not in kinds:
        raise InputError(
            f"--force is about training sets in use, and only {', '.join(sorted(kinds))} are to be removed; "
            "leave it out, or add training-sets"
        )


def _rows(plan: PrunePlan, as_json: bool) -> list[dict[str, Any]]:
    from labelmill.training_sets.removal import size_of

    rows: list[dict[str, Any]] = []

    def add(kind: str, what: str, count: int, size: int | None, made: datetime | None, **more: object) -> None:  # fmt: skip
        shown: Any = size if as_json or size is None else f"{size:,}"
        own = more if as_json else {}
        rows.append({"kind": kind, "what": what, "rows": count, "bytes": shown, "newest": made, **own})  # fmt: skip

    for sweep in plan.sweeps:
        add("sweep, abandoned", sweep.name, 1, None, sweep.last_seen, sweep_id=sweep.sweep_id)
    for old in plan.batches:
        what = f"{old.query}: {len(old.numbers):,} of {old.total:,}"
        add("micro-batches", what, len(old.numbers), None, old.newest, query=old.query)
    for one in plan.versions.remove:
        what = f"{one.model} {one.version}"
        add("version", what, 1, one.bytes, one.created_at, model=one.model, version=one.version)
    for (model, version), count in sorted(plan.labels.items()):
        add("labels", f"of {model} {version}", count, None, None, model=model, version=version)
    if plan.metrics:
        add("metrics", "of trials that failed", len(plan.metrics), None, None)
    for sha256 in plan.chunks:
        add("chunks", f"without a version, {sha256[:12]}", 1, None, None, sha256=sha256)
    if plan.texts:
        add("long texts", "without a row", len(plan.texts), None, None)
    for frozen in plan.training_sets.remove:
        what = f"{frozen.name} {frozen.digest[:12]}"
        size = size_of(frozen.location)
        add("training set", what, frozen.rows, size, frozen.created_at, digest=frozen.digest)
    return rows


def _name_spared(console: Console, plan: PrunePlan) -> None:
    spared = [
        *(f"version {one.version} of {one.model}, used by {shorten(one.used_by)}" for one in plan.versions.spared),
        *(f"{one.name} {one.digest[:12]}, used by {shorten(one.used_by)} (--force removes it)" for one in plan.training_sets.spared),
    ]  # fmt: skip
    for text in spared[:SPARED]:
        _say(console, f"kept: {text}")
    if len(spared) > SPARED:
        _say(console, f"kept: {len(spared) - SPARED:,} more that are in use")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise InputError(
            "cannot ask for confirmation without a terminal; add --yes to remove them, or --dry-run"
        )
    typer.confirm(f"remove {'these' if count > 1 else 'this'}?", abort=True, err=True)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)

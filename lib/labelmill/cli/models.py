"""``labelmill models``: versions and aliases of models, without Spark."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from labelmill import settings as settings_module
from labelmill.cli.exit_codes import verb
from labelmill.cli.output import Json, Masters, Prefix, print_rows
from labelmill.errors import MissingRow
from labelmill.store.client import RowClient
from labelmill.store.connect import open_client
from labelmill.store.records import aliases, texts
from labelmill.store.records import models as model_records
from labelmill.store.schema.tables import (
    ALIASES,
    EVALUATIONS,
    MODEL_CHUNKS,
    MODELS,
    STREAM_BATCHES,
    TRIALS,
)

app = typer.Typer(
    help="Show versions and move aliases of models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def list_models(
    model: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """List versions with their aliases and metrics."""
    with _client(kudu_masters, table_prefix) as client:
        where = {"model": model} if model else None
        names = ["model", "version", "family", "bytes", "created_at"]
        rows = sorted(client.scan(MODELS, names, where), key=_by_version)
        if model and not rows:
            raise _unknown(client, model)
        aliases_of: dict[tuple[object, object], list[str]] = {}
        for row in client.scan(ALIASES, where=where):
            aliases_of.setdefault((row["model"], row["version"]), []).append(str(row["alias"]))
        # By version: the same setting in another sweep, or on another training set, has the same
        # trial id.
        trials = client.scan(
            TRIALS, ["model", "version", "metric"], {**(where or {}), "state": "done"}
        )
        metrics = {(row["model"], row["version"]): row["metric"] for row in trials}
        print_rows(
            [
                {
                    "model": row["model"],
                    "version": row["version"],
                    "aliases": " ".join(sorted(aliases_of.get((row["model"], row["version"]), []))),
                    "family": row["family"],
                    "metric": metrics.get((row["model"], row["version"])),
                    "bytes": row["bytes"],
                    "created_at": row["created_at"],
                }
                for row in rows
            ],
            as_json,
        )


def show(
    model: Annotated[str, typer.Argument(help="Model name.")],
    version: Annotated[int, typer.Argument(help="Version.")],
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Verify a version and show its details.

    Checks the stored bytes, and that the model reproduces its canary predictions.
    """
    from labelmill.domain.models.artifact import unpack
    from labelmill.inference.predictor import Predictor

    with _client(kudu_masters, table_prefix) as client:
        row, data = model_records.load(client, model, version)
        Predictor(unpack(data)).check_canary()
        where = {"model": model, "version": version}
        pointing_aliases = [
            str(r["alias"])
            for r in client.scan(ALIASES, where={"model": model})
            if r["version"] == version
        ]
        measured = [
            f"accuracy {e['accuracy']:.4f} on {e['rows']} of {e['slice']}"
            for e in texts.read(client, EVALUATIONS, ["accuracy", "rows", "slice"], where)
        ]
        known = {**row, "aliases": pointing_aliases, "evaluations": measured, "verified": True}
        rows = [known] if as_json else [{"what": k, "is": v} for k, v in known.items()]
        print_rows(rows, as_json)


def alias(
    model: Annotated[str, typer.Argument(help="Model name.")],
    alias: Annotated[str, typer.Argument(help="Alias, such as production or challenger.")],
    version: Annotated[int, typer.Argument(help="Existing version.")],
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Move an alias to a version.

    Streams that follow the alias swap with their next micro-batch.
    """
    with _client(kudu_masters, table_prefix) as client:
        # Every stream would refuse a version that cannot be served, so verify it before the move.
        from labelmill.domain.models.artifact import unpack
        from labelmill.inference.predictor import Predictor

        _, data = model_records.load(client, model, version)
        Predictor(unpack(data)).check_canary()
        aliases.move(client, model, alias, version)
    print(f"{model} {alias} → {version}")


def history(
    model: Annotated[str, typer.Argument(help="Model name.")],
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Show which versions labelled which streams.

    One row per stream and run of micro-batches with one version.
    """
    with _client(kudu_masters, table_prefix) as client:
        columns = ["query", "batch_id", "version", "rows", "dead", "started_at"]
        batches = client.scan(STREAM_BATCHES, columns, {"model": model})
        spans: list[dict[str, Any]] = []
        for row in sorted(batches, key=lambda row: (str(row["query"]), int(str(row["batch_id"])))):
            last = spans[-1] if spans else None
            if last is None or (last["query"], last["version"]) != (row["query"], row["version"]):
                last = {
                    "query": row["query"], "version": row["version"], "since": row["started_at"],
                    "first_batch": row["batch_id"], "last_batch": None, "rows": 0, "dead": 0,
                }  # fmt: skip
                spans.append(last)
            last["last_batch"] = row["batch_id"]
            last["rows"] += row["rows"] or 0
            last["dead"] += row["dead"] or 0
        if not spans and not model_records.versions(client, model):
            raise _unknown(client, model)
        print_rows(spans, as_json)


for _name, _function in (
    ("list", list_models), ("show", show), ("alias", alias), ("history", history),
):  # fmt: skip
    app.command(_name)(verb(_function))


@contextlib.contextmanager
def _client(kudu_masters: str | None, table_prefix: str | None) -> Iterator[RowClient]:
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        for table in (MODELS, MODEL_CHUNKS, ALIASES, TRIALS, EVALUATIONS, STREAM_BATCHES):
            client.ensure(table)
        yield client
    finally:
        client.close()


def _unknown(client: RowClient, model: str) -> MissingRow:
    names = sorted({str(row["model"]) for row in client.scan(MODELS, ["model"])})
    return MissingRow(f"no model {model!r}; known: {', '.join(names) or 'none'}")


def _by_version(row: dict[str, object]) -> tuple[str, int]:
    return str(row["model"]), int(str(row["version"]))

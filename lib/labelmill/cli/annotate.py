"""``labelmill annotate``: enters what people say about images, or takes it back; without Spark."""

from __future__ import annotations

import csv
import os
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from labelmill import settings as settings_module
from labelmill.cli.output import Json, Masters, Prefix, print_rows
from labelmill.errors import AllFailed, InputError, MissingRow

if TYPE_CHECKING:
    from labelmill.annotations.annotate import AnnotateCounts, RefusedRow
    from labelmill.store.client import RowClient

SHOWN = 20
"""Refused rows that are shown; all are in the file."""


def annotate(
    target: Annotated[
        str,
        typer.Argument(
            help="An image id, its first six digits or more, or the image's own file; with --file: the collection.",
            metavar="IMAGE_ID|COLLECTION",
        ),
    ],
    label: Annotated[
        str | None, typer.Argument(help="The class, for one image.", metavar="[CLASS]")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="CSV (also .tsv, .gz) or Parquet file with the columns image_id and class, and optionally "
            "annotator, annotated_at, why, collection."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who says so. Default: the column annotator."),
    ] = None,
    why: Annotated[str | None, typer.Option(help="The reason. A column why comes first.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When they said so, such as 2026-01-31T12:00Z. A column annotated_at comes first. "
            "Default: now; what a person has said already keeps its time.",
        ),
    ] = None,
    collection: Annotated[
        str | None, typer.Option(help="For one image: its collection, if several have it.")
    ] = None,
    undo: Annotated[
        bool,
        typer.Option("--undo", help="Take back what the same command without --undo has entered."),
    ] = False,
    new_classes: Annotated[
        bool, typer.Option("--new-classes", help="Take classes that the collection does not have.")
    ] = False,
    refused: Annotated[
        Path | None,
        typer.Option(
            help="CSV file for rows that are refused, with the reason. Default: FILE.refused.csv."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and count, write nothing.")
    ] = False,
    as_json: Json = False,
    kudu_masters: Masters = None,
    table_prefix: Prefix = None,
) -> None:
    """Enter what a person says about images: their class.

    A person has the last word over every import, and of several people the one who said so last. Their words
    go to `annotations` (source person/NAME) and, with reasons and what was taken back, to
    `annotation_log`. Entering the same again changes nothing. Rows that are wrong are refused one by one
    (exit code 2; 10 when all are), the others are entered.
    """
    from labelmill.annotations.annotate import AnnotateOptions
    from labelmill.annotations.annotate import annotate as enter
    from labelmill.annotations.correction_rows import read_file, rows_of
    from labelmill.domain.images.corrections import Defaults
    from labelmill.spark.progress import SparkProgress
    from labelmill.store.connect import open_client

    if (file is None) == (label is None):
        raise InputError(
            "give either an image and its class (`annotate IMAGE_ID CLASS`), or a collection and a file "
            "(`annotate COLLECTION --file FILE`)"
        )
    if file is not None and collection is not None:
        raise InputError("--collection is for one image; with --file the collection comes first")
    if file is None and refused is not None:
        raise InputError("--refused needs --file")
    if label is not None and by is None:
        raise InputError("say who gives the class: --by NAME")
    moment = _moment(at)
    settings = settings_module.load(kudu_masters=kudu_masters, table_prefix=table_prefix)
    client = open_client(settings)
    try:
        if file is not None:
            name, given = target, read_file(str(file))
        else:
            name, image = _image(client, target, collection)
            given = rows_of({image: str(label)})
        stderr = Console(stderr=True)
        with ExitStack() as stack:
            target_file = refused or (file and file.with_name(f"{file.name}.refused.csv"))
            writer = stack.enter_context(_RefusedRows(target_file, stderr))
            title = f"annotate {name}"
            progress = stack.enter_context(SparkProgress(None, title, unit="rows"))
            counts = enter(
                client,
                given,
                Defaults(name, by, moment, why),
                AnnotateOptions(undo, new_classes, dry_run),
                writer.add,
                lambda what, done, total: progress.advance(done, total, what),
            )
        print_rows(_rows(name, counts, as_json), as_json)
        _remark(stderr, given.ignored, counts, dry_run)
        _fail_if_refused(counts, writer, file)
    finally:
        client.close()


class _RefusedRows:
    """Shows the first refused rows, and writes all of them to a file, if there are any."""

    def __init__(self, path: Path | None, console: Console) -> None:
        self.path, self.reason = path, ""
        self._console, self._shown = console, 0
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> _RefusedRows:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, one: RefusedRow) -> None:
        self.reason = self.reason or one.reason
        if self.path is not None and self._shown < SHOWN:
            text = f"refused: {one.row.position}: {one.reason}"
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._shown += 1
        if self.path is None:
            return
        if self._file is None:
            names = [name for name in one.row.cells if name is not None]
            names += [n for n in ("image_id", "class", "annotator", "annotated_at", "why") if n not in names]  # fmt: skip
            try:
                self._file = self.path.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise InputError(
                    f"refused rows cannot be written to {self.path}: {error.strerror}; give --refused FILE"
                ) from None
            self._writer = csv.DictWriter(
                self._file, [*names, "refused_position", "refused_reason"], extrasaction="ignore"
            )
            self._writer.writeheader()
        self._writer.writerow(
            {
                **one.row.cells,
                "refused_position": one.row.position,
                "refused_reason": one.reason,
            }
        )


def _moment(at: str | None) -> datetime | None:
    from labelmill.domain.timestamps import parse_timestamp

    try:
        return None if at is None else parse_timestamp(at)
    except ValueError as error:
        raise InputError(f"--at {error}") from None


def _image(client: RowClient, image: str, collection: str | None) -> tuple[str, str]:
    """The collection and the id of one image, which is named by its id or by its file."""
    from labelmill.annotations.image_ids import collections_of
    from labelmill.domain.images.corrections import check_image_id
    from labelmill.domain.images.image import image_id_of
    from labelmill.store.schema.tables import IMAGES

    client.ensure(IMAGES)
    # A name too long for a file is none.
    named = (
        image_id_of(Path(image).read_bytes()) if os.path.isfile(image) else check_image_id(image)
    )
    found = collections_of(client, named)
    if collection is not None:
        found = {name: ids for name, ids in found.items() if name == collection}
    if not found:
        where = f"collection {collection!r}" if collection else "the catalogue"
        raise MissingRow(
            f"{where} has no image {image}; `labelmill sql` finds ids, for example in truth"
        )
    if len(found) > 1:
        raise InputError(
            f"image {image} is in the collections {', '.join(sorted(found))}; give one with --collection"
        )
    [(name, ids)] = found.items()
    if len(ids) > 1:
        raise InputError(f"image {image} may be {ids[0]} or {ids[1]}; give more digits")
    return name, ids[0]


def _rows(collection: str, counts: AnnotateCounts, as_json: bool) -> list[dict[str, Any]]:
    outcomes = {name: counts.outcomes[name] for name in _MEANING if counts.outcomes[name]}
    if as_json:
        found = {"collection": collection, "rows": counts.rows, **outcomes}
        return [{**found, "overruled": counts.overruled, "people": dict(counts.people)}]
    return [{"outcome": n.replace("_", " "), "rows": f"{c:,}", "": _MEANING[n]} for n, c in outcomes.items()]  # fmt: skip


_MEANING = {
    "new": "the person's first word on the image",
    "changed": "the person's new word on the image",
    "unchanged": "said before",
    "outdated": "the person has said something later; kept in annotation_log",
    "taken_back": "the person's word is now what they said before, or none",
    "not_current": "not the person's word; nothing to take back",
    "refused": "wrong rows; not entered",
}
"""What can become of a row."""


def _remark(
    console: Console, ignored: tuple[str, ...], counts: AnnotateCounts, dry_run: bool
) -> None:
    remarks = []
    if ignored:
        remarks.append(f"columns that were not read: {', '.join(ignored)}")
    if counts.overruled:
        remarks.append(
            f"{counts.overruled:,} images have another class, because another person gave it later; "
            "--at TIME gives these words a later time"
        )
    if dry_run:
        remarks.append("nothing was written (--dry-run)")
    for text in remarks:
        console.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)


def _fail_if_refused(counts: AnnotateCounts, writer: _RefusedRows, file: Path | None) -> None:
    count = counts.outcomes["refused"]
    if not count:
        return
    if file is None:
        raise InputError(writer.reason)
    text = (
        f"{count:,} of {counts.rows:,} rows were refused; they are in {writer.path}: correct them there and "
        "enter that file"
    )
    raise AllFailed(text) if count == counts.rows else InputError(text)

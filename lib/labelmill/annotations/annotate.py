"""Enters corrections, or takes them back: all rows are checked before the first is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice

from labelmill.annotations.correction_rows import CorrectionRow, CorrectionRows
from labelmill.annotations.image_ids import find_images
from labelmill.annotations.person_words import PersonWords
from labelmill.annotations.spool import CorrectionSpool
from labelmill.domain.images.corrections import (
    Correction,
    Defaults,
    KnownClasses,
    parse_correction,
)
from labelmill.errors import UnknownName
from labelmill.store.client import RowClient
from labelmill.store.schema.tables import ANNOTATION_LOG, ANNOTATIONS, IMAGES

CHECKED_AT_ONCE = 20_000
"""Rows that are checked together: one pass over a collection's ids serves all ids cut short in them."""

WRITTEN_AT_ONCE = 2_000
"""Images whose annotations are read and written together."""

Progress = Callable[[str, int, "int | None"], None]
"""Called with what is being done (``checking``, ``writing``), rows done, and rows in all if known."""


@dataclass(frozen=True)
class AnnotateOptions:
    """How corrections are entered.

    Attributes:
        undo: Take them back instead.
        new_classes: Take classes that the collection does not have.
        dry_run: Check and count, write nothing.
    """

    undo: bool = False
    new_classes: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not entered.

    Attributes:
        row: As it came.
        reason: What is wrong with it.
    """

    row: CorrectionRow
    reason: str


@dataclass
class AnnotateCounts:
    """What was done.

    Attributes:
        rows: Rows read.
        outcomes: ``new``, ``changed``, ``unchanged``, ``outdated``; when undone ``taken_back`` and
            ``not_current``; ``refused``.
        overruled: Rows whose image has another class because another person said so later.
        people: Who said so → rows.
    """

    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    overruled: int = 0
    people: Counter[str] = field(default_factory=Counter)


def annotate(
    client: RowClient,
    given: CorrectionRows,
    defaults: Defaults,
    options: AnnotateOptions,
    refuse: Callable[[RefusedRow], object],
    progress: Progress = lambda what, done, total: None,
) -> AnnotateCounts:
    """Enters corrections of one collection.

    Rows that are wrong are refused one by one; the others are entered. Entering the same rows again
    changes nothing. Memory does not grow with the number of rows.

    Args:
        client: Open client.
        given: The corrections.
        defaults: Collection, and who, when and why where a row does not say so.
        options: How.
        refuse: Called for each refused row.
        progress: Called now and then.

    Raises:
        UnknownName: No such collection.
        InputError: The file is damaged from some line on; nothing was written.
    """
    for table in (IMAGES, ANNOTATIONS, ANNOTATION_LOG):
        client.ensure(table)
    _require_collection(client, defaults.collection)
    classes = None
    if not options.undo:
        classes = KnownClasses(_classes_of(client, defaults.collection), options.new_classes)
    now = datetime.now(timezone.utc)
    counts = AnnotateCounts()

    def refuse_row(row: CorrectionRow, reason: str) -> None:
        counts.outcomes["refused"] += 1
        refuse(RefusedRow(row, reason))

    with CorrectionSpool() as spool:
        while rows := list(islice(given.rows, CHECKED_AT_ONCE)):
            spool.add(_checked(client, rows, defaults, classes, now, refuse_row))
            counts.rows += len(rows)
            progress("checking", counts.rows, None)
        for one, labels in spool.remove_contradictions():
            refuse_row(_row_of(one), f"this person gives image {one.image} {' and '.join(labels)}; expected one class, or annotated_at to tell which is later")  # fmt: skip
        total, done = len(spool), 0
        for piece in spool.pieces(WRITTEN_AT_ONCE):
            _enter(client, piece, defaults.collection, given.origin, options, now, counts)
            done += len(piece)
            progress("writing", done, total)
    return counts


def _checked(
    client: RowClient,
    rows: Iterable[CorrectionRow],
    defaults: Defaults,
    classes: KnownClasses | None,
    now: datetime,
    refuse: Callable[[CorrectionRow, str], None],
) -> Iterator[Correction]:
    parsed: list[tuple[CorrectionRow, Correction]] = []
    for row in rows:
        try:
            if row.fault:
                raise ValueError(row.fault)
            one = parse_correction(row.position, row.cells, defaults, now)
            if classes is not None:
                classes.check(one.label)
        except ValueError as error:
            refuse(row, str(error))
        else:
            parsed.append((row, one))
    found = find_images(client, defaults.collection, (one.image for _, one in parsed))
    for row, one in parsed:
        ids = found[one.image]
        if len(ids) == 1:
            yield Correction(one.position, ids[0], one.label, one.person, one.at, one.why)
        elif ids:
            refuse(row, f"image_id {one.image} may be {ids[0]} or {ids[1]}; give more digits")
        else:
            refuse(row, f"collection {defaults.collection!r} has no image {one.image}")


def _enter(
    client: RowClient,
    piece: list[Correction],
    collection: str,
    origin: str,
    options: AnnotateOptions,
    now: datetime,
    counts: AnnotateCounts,
) -> None:
    images = list(dict.fromkeys(one.image for one in piece))
    words = PersonWords(client, collection, images, origin, now, with_log=options.undo)
    # The latest first when taken back: what was said before it comes back only to be taken back too.
    for one in reversed(piece) if options.undo else piece:
        if options.undo:
            outcome = "taken_back" if words.undo(one) else "not_current"
        else:
            outcome = words.say(one).outcome
        counts.outcomes[outcome] += 1
        counts.people[one.person] += 1
    if not options.undo:
        counts.overruled += words.count_overruled(piece)
    if not options.dry_run:
        words.write()


def _row_of(one: Correction) -> CorrectionRow:
    cells = {"image_id": one.image, "class": one.label, "annotator": one.person, "why": one.why,
             "annotated_at": one.at.isoformat() if one.at else None}  # fmt: skip
    return CorrectionRow(one.position, cells)


def _require_collection(client: RowClient, collection: str) -> None:
    if next(client.scan(IMAGES, ["image_id"], {"collection": collection}), None) is None:
        names = {str(row["collection"]) for row in client.scan(IMAGES, ["collection"])}
        raise UnknownName("collection", collection, names)


def _classes_of(client: RowClient, collection: str) -> set[str]:
    scan = client.scan(ANNOTATIONS, ["class"], {"collection": collection})
    return {
        str(label)
        for batch in scan.batches()
        for label in batch.column("class").unique().to_pylist()
    }

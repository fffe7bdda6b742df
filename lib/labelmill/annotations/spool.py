"""Checked corrections on disk, so that a file of any length is checked before anything is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from labelmill.domain.images.corrections import Correction
from labelmill.store.schema.rows import micros_of, moment_of

_COLUMNS = "image, person, at, class, why, position"


class CorrectionSpool:
    """Corrections of one collection in an unnamed temporary database, which goes when it is closed."""

    def __init__(self) -> None:
        self._base = sqlite3.connect("")
        self._base.execute(
            "create table corrections (image text, person text, at integer, class text, why text, "
            "position text, number integer primary key)"
        )

    def __enter__(self) -> CorrectionSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def add(self, corrections: Iterable[Correction]) -> None:
        """Adds corrections; `Correction.image` must be a whole id."""
        rows = (
            (one.image, one.person, _micros(one.at), one.label, one.why, one.position)
            for one in corrections
        )
        self._base.executemany(
            f"insert into corrections ({_COLUMNS}) values (?, ?, ?, ?, ?, ?)", rows
        )

    def remove_contradictions(self) -> Iterator[tuple[Correction, list[str]]]:
        """Removes rows by which one person gives one image two classes at one time.

        Yields:
            Each, with the sorted classes that it is given.
        """
        self._base.execute(
            "create temporary table contradictions as select image, person, ifnull(at, -1) as moment "
            "from corrections group by 1, 2, 3 having min(class) <> max(class)"
        )
        one_of_them = "(image, person, ifnull(at, -1)) in (select * from contradictions)"
        found = self._base.execute(
            f"select {_COLUMNS} from corrections where {one_of_them} order by image, person, at, number"
        )
        for _, rows in groupby(found, key=lambda row: row[:3]):
            group = [_correction(row) for row in rows]
            classes = sorted({one.label for one in group})
            for one in group:
                yield one, classes
        self._base.execute(f"delete from corrections where {one_of_them}")

    def __len__(self) -> int:
        """Number of corrections."""
        return int(self._base.execute("select count(*) from corrections").fetchone()[0])

    def pieces(self, images: int) -> Iterator[list[Correction]]:
        """All corrections in pieces of at most `images` images.

        An image's corrections are together, those of one person in order of time, those of now last.
        """
        found = self._base.execute(
            f"select {_COLUMNS} from corrections order by image, person, at is null, at, number"
        )
        piece: list[Correction] = []
        count = 0
        for _, rows in groupby(found, key=lambda row: row[0]):
            piece += map(_correction, rows)
            count += 1
            if count == images:
                yield piece
                piece, count = [], 0
        if piece:
            yield piece


def _correction(row: tuple[str, str, int | None, str, str | None, str]) -> Correction:
    image, person, at, label, why, position = row
    return Correction(position, image, label, person, None if at is None else moment_of(at), why)


def _micros(at: datetime | None) -> int | None:
    return None if at is None else micros_of(at)

"""The contact sheet of a slice: one self-contained HTML file to inspect a training set by eye."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from labelmill.domain.profiles.profile import UNSPLIT
from labelmill.domain.splits.hashing import SPLITS_SHOWN
from labelmill.pipelines.slices.contact_sheet import Sheet
from labelmill.pipelines.slices.sheet_columns import SheetColumns
from labelmill.serving import html
from labelmill.sql.named_slices import NamedSlice
from labelmill.version import __version__


def render(
    named: NamedSlice,
    values: Mapping[str, str],
    sheet: Sheet,
    snapshot_ms: int,
    note: str = "",
) -> str:
    """The page as HTML.

    Args:
        named: The slice.
        values: Values of its parameters.
        sheet: The rows, pictures and counts to show.
        snapshot_ms: The snapshot they were read at, in milliseconds since 1970 UTC.
        note: A remark to show at the top; empty: none.
    """
    splits: list[str] = [name for name in SPLITS_SHOWN if name in sheet.splits]
    splits += sorted(name for name in sheet.splits if name is not None and name not in splits)
    return html.template("contact_sheet.html.j2").render(
        named=named,
        values=values,
        sheet=sheet,
        thing="image" if sheet.columns.has_pictures else "record",
        split_names=[*splits, *([None] if None in sheet.splits else [])],
        unsplit=UNSPLIT,
        totals={name: sum(of.values()) for name, of in sheet.counts.items()},
        classes=sum(name is not None for name in sheet.counts) + sheet.more_classes,
        moment=html.utc_text(snapshot_ms),
        freeze=freeze_command(named, values, sheet.columns, snapshot_ms),
        note=note,
        picture=html.picture,
        version=__version__,
    )


def write(
    named: NamedSlice,
    values: Mapping[str, str],
    sheet: Sheet,
    snapshot_ms: int,
    path: Path,
    note: str = "",
) -> Path:
    """Renders the page and writes it to ``path``."""
    return html.write_page(render(named, values, sheet, snapshot_ms, note), path)


def freeze_command(
    named: NamedSlice, values: Mapping[str, str], columns: SheetColumns, snapshot_ms: int
) -> str:
    """The command that freezes exactly the rows that the sheet shows."""
    words = ["bin/submit", "jobs/freeze_training_set.py", named.name]
    words += ["--slice", named.path or named.name]
    for name, value in values.items():
        words += ["--param", f"{name}={value}"]
    if columns.label in (None, "label") and not columns.mask:
        words.append("--no-target")
    return shlex.join([*words, "--snapshot", str(snapshot_ms)])

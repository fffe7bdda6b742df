"""A manifest: a table with one row per file, CSV or Parquet, in the folder of the files it lists.

The manifest is checked to its end before the first file is read; then it is read again, row by row.
The columns are documented in docs/guides/sources.md.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from labelmill.domain.images.folders import FolderScan
from labelmill.errors import InputError, UnknownName
from labelmill.sources.base import SourceOptions, Wave, WaveBuilder
from labelmill.sources.manifest.class_names import class_names
from labelmill.sources.manifest.columns import EXPORT_COLUMNS, PLACEHOLDER, Columns, RowParser
from labelmill.sources.manifest.rows import columns_of, is_parquet, rows

URI_COLUMNS = ("uri", "path", "file", "filename", "file_name", "image")
LABEL_COLUMNS = ("label", "class")


class ManifestSource:
    """A manifest; see `labelmill.sources.base.ImageSource`. Workers look up the sizes themselves."""

    default_labels = "none"

    def __init__(self, options: SourceOptions) -> None:
        """Checks the whole manifest.

        Raises:
            InputError: There is no column of paths, or a row is invalid; no file was read yet.
        """
        self.name = options.source
        self.root = os.path.dirname(os.path.abspath(options.source))
        self.skipped: Counter[str] = Counter()
        self._limit = options.limit
        self.notes: list[str] = []
        columns = _columns(options)
        self._parser = RowParser(
            columns,
            options.uri,
            options.source,
            # Paths may name the folder itself or the target of a link to it.
            (self.root, os.path.realpath(self.root)),
            texts=not is_parquet(options.source),
        )
        scan, number = FolderScan(), 0
        for file in self._files():
            scan.add(file["uri"])
            number += 1
        self.total: int | None = number
        self.layout = scan.layout()
        if columns.names:
            self.notes.append(
                f"{columns.label} holds numbers; classes are the names that the file gives them: "
                f"{', '.join(columns.names[:5])}{' …' if len(columns.names) > 5 else ''}"
            )
        if not columns.label and not columns.one_hot:
            self.notes.append(
                f"no column of classes ({' or '.join(LABEL_COLUMNS)}), so there are none; columns that are "
                f"attributes now: {', '.join(columns.rest[:12]) or 'none'}. --label-columns A,B makes classes "
                "of columns that hold 0 and 1, --labels folder takes the folder's name"
            )

    def waves(self) -> Iterator[Wave]:
        """See `ImageSource.waves`."""
        wave = WaveBuilder()
        for file in self._files():
            wave.add(**file)
            # Attributes may be much longer than the names.
            wave.bytes += len(file["attributes"] or "")
            if wave.is_full():
                yield wave.take()
        if wave.count:
            yield wave.take()

    def _files(self) -> Iterator[dict[str, Any]]:
        for position, row in islice(rows(self.name), self._limit):
            yield self._parser.file_of(position, row)


def _columns(options: SourceOptions) -> Columns:
    names = columns_of(options.source)
    known = {name.strip().lower(): name for name in reversed(names)}

    def first(*candidates: str) -> str | None:
        return next((known[one] for one in candidates if one in known), None)

    uri = None if options.uri else first(*URI_COLUMNS)
    if options.uri:
        for name in PLACEHOLDER.findall(options.uri):
            if name not in names:
                raise UnknownName(f"column in --uri {options.uri!r}", name, names)
    elif uri is None:
        near = [n for one in known for n in difflib.get_close_matches(one, URI_COLUMNS, 1)]
        raise InputError(
            f"{options.source} has no path column; it has {', '.join(names)}. Name one "
            f"{near[0] if near else 'uri'!r}, or say how a path is built: --uri 'train/{{{names[0]}}}.png'"
        )
    for name in options.label_columns:
        if name not in names:
            raise UnknownName("column in --label-columns", name, names)
    label = None if options.label_columns else first(*LABEL_COLUMNS)
    split, time = first("split"), first("source_time")
    used = {uri, label, split, time, json := first("attributes"), *options.label_columns}
    is_export = set(EXPORT_COLUMNS) <= set(names)
    if is_export:
        # They describe the exported files, and would become attributes with every export.
        used |= set(EXPORT_COLUMNS)
    rest = tuple(name for name in names if name not in used)
    numbered = class_names(options.source).get(label or "", ())
    return Columns(uri, label, split, time, rest, json, options.label_columns, numbered, is_export)

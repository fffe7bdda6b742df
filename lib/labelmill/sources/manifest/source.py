"""A manifest: a table with one row a file, CSV or Parquet, that lies beside the files it names.

The manifest is checked to its end before the first file is read; then it is read again, row by row.
What it means, column by column, is in docs/guides/sources.md.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from labelmill.errors import InputError, UnknownName
from labelmill.sources.base import SourceOptions, Wave, WaveBuilder
from labelmill.sources.manifest import rows as manifest_rows
from labelmill.sources.manifest.columns import ABOUT_FILES, PLACE, Columns, Meaning

URI_COLUMNS = ("uri", "path", "file", "filename", "file_name", "image")
LABEL_COLUMNS = ("label", "class")


class ManifestHeap:
    """See `labelmill.sources.base.Heap`. Workers find out the sizes themselves."""

    def __init__(self, options: SourceOptions) -> None:
        """Checks the whole manifest.

        Raises:
            InputError: There is no column of paths, or a row that cannot be meant; nothing was read
                of the files yet.
        """
        self.name = options.source
        whole = os.path.abspath(options.source)
        self.root = os.path.dirname(whole)
        self.skipped: Counter[str] = Counter()
        self._limit = options.limit
        self._meaning = Meaning(
            _columns(options),
            options.uri,
            options.source,
            # A path may be written with the folder's name or with what that is a link to.
            (self.root, os.path.realpath(self.root)),
            texts=not manifest_rows.is_parquet(options.source),
        )
        self.total: int | None = sum(1 for _ in self._files())

    def waves(self) -> Iterator[Wave]:
        """See `Heap.waves`."""
        wave = WaveBuilder()
        for file in self._files():
            wave.add(**file)
            # Attributes may be much more than the names.
            wave.bytes += len(file["attributes"] or "")
            if wave.is_full():
                yield wave.take()
        if wave.count:
            yield wave.take()

    def _files(self) -> Iterator[dict[str, Any]]:
        for place, row in islice(manifest_rows.rows(self.name), self._limit):
            yield self._meaning.file_of(place, row)


def _columns(options: SourceOptions) -> Columns:
    names = manifest_rows.columns_of(options.source)
    known = {name.strip().lower(): name for name in reversed(names)}

    def first(*wanted: str) -> str | None:
        return next((known[one] for one in wanted if one in known), None)

    uri = None if options.uri else first(*URI_COLUMNS)
    if options.uri:
        for name in PLACE.findall(options.uri):
            if name not in names:
                raise UnknownName(f"column in --uri {options.uri!r}", name, names)
    elif uri is None:
        near = [n for one in known for n in difflib.get_close_matches(one, URI_COLUMNS, 1)]
        raise InputError(
            f"{options.source} has no column of paths; it has {', '.join(names)}. Name one "
            f"{near[0] if near else 'uri'!r}, or say how a path is made: --uri 'train/{{{names[0]}}}.png'"
        )
    label, split, time = first(*LABEL_COLUMNS), first("split"), first("source_time")
    taken = {uri, label, split, time, json := first("attributes")}
    exported = set(ABOUT_FILES) <= set(names)
    if exported:
        # The manifest of an export: these tell of its files, and would be new attributes each time.
        taken |= set(ABOUT_FILES)
    rest = tuple(name for name in names if name not in taken)
    return Columns(uri, label, split, time, rest, json, exported)

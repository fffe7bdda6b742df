"""Methods by which people say what images show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from labelmill.api.arguments import suggest_arguments
from labelmill.api.lifecycle import OpenConnection
from labelmill.errors import AllFailed

if TYPE_CHECKING:
    from labelmill.api.results.annotations import AnnotationResult


class AnnotationMethods(OpenConnection):
    """Truth, as people give it."""

    @suggest_arguments
    def annotate(
        self,
        collection: str,
        corrections: str | PathLike[str] | Mapping[str, str] | Iterable[Mapping[str, Any]],
        *,
        by: str | None = None,
        why: str | None = None,
        at: datetime | None = None,
        undo: bool = False,
        new_classes: bool = False,
        dry_run: bool = False,
    ) -> AnnotationResult:
        """Enters what people say about images, or takes it back. Needs no Spark.

        A person has the last word over imports; of several people, the one who said so last. The next
        slice sees it. Entering the same again changes nothing. Rows that are wrong are refused one by
        one, the others are entered.

        Args:
            collection: Of the images.
            corrections: Image id → class; or rows with ``image_id``, ``class`` and optionally
                ``annotator``, ``annotated_at``, ``why``; or a CSV or Parquet file with these columns. The
                first six digits of an id, or more, are enough where no other image has them.
            by: Who says so, where a row does not.
            why: The reason, where a row has none.
            at: When, where a row does not say (UTC without a zone); default: now, and what a person has
                said already keeps its time.
            undo: Take back what the same call without `undo` has entered.
            new_classes: Take classes that the collection does not have.
            dry_run: Check and count, write nothing.

        Raises:
            UnknownName: No such collection; suggests the closest match.
            InputError: The file cannot be read, or lacks a column.
            AllFailed: All rows were refused.
            StoreError: Kudu refused.
        """
        from labelmill.annotations import annotate
        from labelmill.annotations.correction_rows import read_file, rows_of
        from labelmill.api.results.annotations import REFUSED, AnnotationResult
        from labelmill.domain.images.corrections import Defaults

        if isinstance(corrections, (str, PathLike)):
            given = read_file(fspath(corrections))
        else:
            given = rows_of(corrections)
        if at is not None and at.tzinfo is None:
            at = at.replace(tzinfo=timezone.utc)
        refused: list[annotate.RefusedRow] = []

        def keep(one: annotate.RefusedRow) -> None:
            if len(refused) < REFUSED:
                refused.append(one)

        with self._client() as client:
            options = annotate.AnnotateOptions(undo, new_classes, dry_run)
            defaults = Defaults(collection, by, at, why)
            counts = annotate.annotate(client, given, defaults, options, keep)
        if counts.rows and counts.outcomes["refused"] == counts.rows:
            first = refused[0]
            raise AllFailed(
                f"all {counts.rows:,} corrections were refused; {first.row.position}: {first.reason}"
            )
        names = ("new", "changed", "unchanged", "outdated", "taken_back", "not_current", "refused")
        shown = [{**one.row.cells, "position": one.row.position, "reason": one.reason} for one in refused]  # fmt: skip
        return AnnotationResult(
            collection=collection,
            rows=counts.rows,
            first_refused=shown,
            overruled=counts.overruled,
            dry_run=dry_run,
            **{name: counts.outcomes[name] for name in names},
        )

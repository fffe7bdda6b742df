"""Methods over the catalogue: tables, SQL, ingest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, overload

from labelmill.api.arguments import suggest_arguments
from labelmill.api.lifecycle import OpenConnection
from labelmill.api.parameters import Snapshot, snapshot_of, texts_of
from labelmill.errors import UnknownName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from labelmill.api.results.ingest import IngestDryRun, IngestResult


class CatalogueMethods(OpenConnection):
    """Images and what is known about them."""

    @suggest_arguments
    def table(self, name: str, *, snapshot: Snapshot = None) -> DataFrame:
        """A table of the catalogue, or one of its views ``truth`` and ``truth_conflicts``.

        Args:
            name: For example ``images``, ``annotations``, ``labels``.
            snapshot: Read as of this time: milliseconds since 1970 UTC, ISO 8601 text or a datetime.

        Raises:
            UnknownName: No such table; suggests the closest match.
            StoreError: Kudu refused.
        """
        from labelmill.sql.catalogue import NAMES

        self._require_open()
        if name not in NAMES:
            raise UnknownName("table", name, NAMES)
        return self._query(f"select * from {name}", {}, snapshot)

    def sql(
        self,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        /,
        *,
        snapshot: Snapshot = None,
        **more: Any,
    ) -> DataFrame:
        """Runs one read-only query over the catalogue, like ``labelmill sql``.

        Args:
            query: SQL over the tables and views; ``:name`` is a parameter.
            parameters: Name → value, for names that are not valid Python identifiers.
            snapshot: Read as of this time: milliseconds since 1970 UTC, ISO 8601 text or a datetime.
            **more: Values of parameters: str, int, float, bool, None, date or datetime. They are
                bound beside the query and never become part of its text.

        Raises:
            QueryRefused: The query does more than read.
            UnknownName: An unknown view, column or parameter; suggests the closest match.
            InputError: Not SQL, or a parameter without a value.
            StoreError: Kudu refused.
        """
        return self._query(query, texts_of({**(parameters or {}), **more}), snapshot)

    @overload
    def ingest(
        self,
        source: str | PathLike[str],
        collection: str,
        *,
        labels: str = ...,
        uri: str = ...,
        label_columns: Sequence[str] = ...,
        normalise_classes: bool = ...,
        transpose: bool = ...,
        mapping: str | PathLike[str] = ...,
        zip_encoding: str = ...,
        limit: int | None = ...,
        fail_over: float | None = ...,
        dry_run: Literal[False] = ...,
    ) -> IngestResult: ...

    @overload
    def ingest(
        self,
        source: str | PathLike[str],
        collection: str,
        *,
        labels: str = ...,
        uri: str = ...,
        label_columns: Sequence[str] = ...,
        normalise_classes: bool = ...,
        transpose: bool = ...,
        mapping: str | PathLike[str] = ...,
        zip_encoding: str = ...,
        limit: int | None = ...,
        fail_over: float | None = ...,
        dry_run: Literal[True],
    ) -> IngestDryRun: ...

    @suggest_arguments
    def ingest(
        self,
        source: str | PathLike[str],
        collection: str,
        *,
        labels: str = "",
        uri: str = "",
        label_columns: Sequence[str] = (),
        normalise_classes: bool = False,
        transpose: bool = False,
        mapping: str | PathLike[str] = "",
        zip_encoding: str = "",
        limit: int | None = None,
        fail_over: float | None = None,
        dry_run: bool = False,
    ) -> IngestResult | IngestDryRun:
        """Ingests images into the catalogue. Ingesting the same source again adds nothing.

        Args:
            source: Folder, archive (``.tar``, ``.tar.gz``, ``.zip``), IDX file, manifest (``.csv``,
                ``.parquet``), URI or ``kafka:TOPIC``; see docs/guides/sources.md.
            collection: Collection that the images belong to.
            labels: Where classes come from: ``folder``, ``none``, or a pattern of file names such as
                ``"{class}.{number}.png"``. Default: ``folder``; for a manifest ``none``.
            uri: For a manifest without a path column: a pattern that builds the path from its columns.
            label_columns: For a manifest with a column a class: the columns; the one that holds 1 is the
                class.
            normalise_classes: Make classes one that differ only in spaces around them, or in how
                letters are composed.
            transpose: For IDX: exchange rows and columns of each image, as EMNIST needs.
            mapping: For IDX: a file of lines ``LABEL CODE``; the character of the code is the class.
            zip_encoding: For ``.zip``: how names are encoded that the archive does not say to be UTF-8.
            limit: Read at most this many files.
            fail_over: Fail at the end if more than this percentage of files, 0..100, is quarantined.
            dry_run: Read and decode everything, write nothing.

        Raises:
            InputError: The source does not exist, or workers cannot see its folder.
            NoData: The source holds no images.
            NotAccepted: More files are quarantined than `fail_over`; the good ones are ingested.
            AllFailed: All files are quarantined.
            StoreError: Kudu refused.
        """
        from labelmill.api.results.ingest import ingest_result
        from labelmill.pipelines.ingest.driver import IngestOptions, ingest

        options = IngestOptions(
            limit,
            fail_over,
            labels,
            dry_run,
            uri,
            tuple(label_columns),
            normalise_classes,
            transpose,
            fspath(mapping),
            zip_encoding,
        )
        with self._working() as spark:
            return ingest_result(ingest(spark, self.settings, fspath(source), collection, options))

    def _query(self, query: str, texts: Mapping[str, str], snapshot: Snapshot) -> DataFrame:
        from labelmill.sql import catalogue

        at = snapshot_of(snapshot)
        return catalogue.query(self.spark, self.settings, query, at, parameters=texts)

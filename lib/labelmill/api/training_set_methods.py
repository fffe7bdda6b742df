"""Methods that make and open training sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from labelmill.api.arguments import suggest_arguments
from labelmill.api.lifecycle import OpenConnection
from labelmill.api.parameters import Snapshot, snapshot_of, texts_of

if TYPE_CHECKING:
    from labelmill.api.results.freeze import FreezeResult
    from labelmill.api.results.training_set import TrainingSet


class TrainingSetMethods(OpenConnection):
    """Slices of the catalogue, frozen."""

    def training_set(self, named: str | PathLike[str]) -> TrainingSet:
        """Opens and verifies a training set. Needs no Spark.

        Args:
            named: Name (its newest training set), digest or at least its first six digits, folder or URI.

        Raises:
            MissingRow: There is no such training set; lists those that exist.
            InputError: Several match.
            ArtifactError: A shard is not what was frozen.
        """
        from labelmill.api.results.training_set import find_training_set

        self._require_open()
        return find_training_set(self.settings, fspath(named))

    @suggest_arguments
    def freeze(
        self,
        query: str | PathLike[str] | None = None,
        *,
        name: str,
        collection: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        snapshot: Snapshot = None,
        location: str | PathLike[str] | None = None,
        fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
        validation_fraction: float = 0.1,
        salt: str = "",
        stratify: bool = False,
        group_by: str | None = None,
        source_splits: bool = False,
        balance: bool = False,
        limit_per_class: int | None = None,
        class_list: Sequence[str] | None = None,
        no_target: bool = False,
    ) -> FreezeResult:
        """Freezes a slice: the same slice at the same snapshot gives the same training set.

        Args:
            query: SQL, a named slice (``labelmill slice list``), or the path of a slice's ``.sql``
                file; for its columns see docs/guides/slices.md.
            name: Name of the training set.
            collection: Instead of `query`: all its images that have a truth, with the splits of
                their source.
            parameters: Name → value of each ``:name`` in the query.
            snapshot: Kudu snapshot: milliseconds since 1970 UTC, ISO 8601 text or a datetime;
                default: now.
            location: Parent folder or URI of the training set; default: settings.
            fractions: Shares of train, validation and test for rows without a split.
            validation_fraction: Share of train to use as validation when the query gives splits but
                no validation split; 0: none.
            salt: Salt of the hash that splits rows; change it for another split.
            stratify: Split every class by the same shares, to within one row.
            group_by: A column of the query: rows with equal values stay in one split.
            source_splits: Take the split from ``images`` where the query gives none.
            balance: Reduce the train rows of every class to the size of the smallest class.
            limit_per_class: Maximum rows per class and split, selected by hash.
            class_list: Classes in the order of their indices; default: those that occur, sorted.
            no_target: Freeze images or features without a target.

        Raises:
            QueryRefused: The query does more than read, or is not repeatable.
            UnknownName: An unknown slice, view, column or parameter; suggests the closest match.
            NoData: The slice has no rows.
            InputError: Rows without a class, duplicate images, groups in two splits.
            StoreError: Kudu refused.
        """
        from labelmill.api.results.freeze import FreezeResult
        from labelmill.domain.splits.assign import Division
        from labelmill.pipelines.freeze.driver import freeze
        from labelmill.pipelines.freeze.request import freeze_query
        from labelmill.training_sets.assembly.options import Options

        text = None if query is None else fspath(query)
        # A query has white space and a slice's name has none; a path may, but ends in `.sql`.
        is_sql = text is not None and not text.endswith(".sql") and len(text.split()) > 1
        asked = freeze_query(
            self.settings,
            text if is_sql else None,
            None if is_sql else text,
            collection,
            texts_of(parameters),
        )
        options = Options(
            division=Division(tuple(fractions), validation_fraction, salt, stratify),  # type: ignore[arg-type]
            group_by=group_by,
            balance=balance,
            limit_per_class=limit_per_class,
            class_list=None if class_list is None else tuple(class_list),
            no_target=no_target,
            source_splits=source_splits or asked.source_splits,
        )
        at, below = snapshot_of(snapshot), None if location is None else fspath(location)
        with self._working() as spark:
            return FreezeResult.of(
                freeze(spark, self.settings, asked.sql, name, options, asked.parameters, at, below)
            )

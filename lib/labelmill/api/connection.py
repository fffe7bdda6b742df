"""`connect` and what it opens: the jobs' verbs as methods of one object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

from labelmill.api.arguments import suggest_arguments
from labelmill.api.parameters import snapshot_of, texts_of
from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings, load

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from labelmill.api.evaluation import EvaluationResult
    from labelmill.api.freezing import FreezeResult
    from labelmill.api.ingestion import IngestDryRun, IngestResult
    from labelmill.api.labels import LabelResult
    from labelmill.api.model import Model
    from labelmill.api.sweep import SweepResult
    from labelmill.api.training_set import TrainingSet
    from labelmill.domain.models.sweep_plan import SweepPlan
    from labelmill.store.client import RowClient

Snapshot = int | str | datetime | None
"""Milliseconds since 1970 UTC, ISO 8601 text, a datetime, or None: now."""


def connect(
    settings: Settings | None = None,
    *,
    home: str | PathLike[str] | None = None,
    kudu_masters: str | None = None,
    kafka_brokers: str | None = None,
    table_prefix: str | None = None,
    training_sets: str | PathLike[str] | None = None,
    master: str | None = None,
    spark: SparkSession | None = None,
    progress: bool = True,
    **more: Any,
) -> Connection:
    """Connects to a Kudu and a Kafka.

    Settings that are not given come from ``conf/labelmill.toml`` and the environment
    (``LABELMILL_KUDU_MASTERS`` and so on), as for the jobs; without any, from the one-machine servers
    that ``labelmill up`` started. Spark and Kudu's client start when they are needed first.

    Args:
        settings: Of another connection; keywords win over it.
        home: Folder of jars, local training sets and the one-machine servers.
        kudu_masters: ``HOST:PORT[,HOST:PORT…]``.
        kafka_brokers: ``HOST:PORT[,HOST:PORT…]``.
        table_prefix: Prefix of the Kudu tables.
        training_sets: Folder or URI below which training sets are written.
        master: Spark master, for example ``local[4]``; default ``local[*]``, or what spark-submit
            chose.
        spark: A session that is already running; it is used and not stopped.
        progress: Show the progress of long work on stderr.
        **more: Any other setting of ``conf/labelmill.toml``.

    Raises:
        UnknownName: A keyword that is not a setting; suggests the closest match.
        InputError: A value that a setting does not take, or no Kudu is known.

    Example:
        >>> import labelmill
        >>> labelmill.connect(kudu_master="kudu:7051")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        labelmill.errors.UnknownName: unknown argument of connect() ... Did you mean 'kudu_masters'?
    """
    from labelmill.devcluster.java import choose_java

    known = {*Settings.model_fields, "settings", "master", "spark", "progress"}
    for name in more:
        if name not in known:
            raise UnknownName("argument of connect()", name, known)
    named = {
        "home": home,
        "kudu_masters": kudu_masters,
        "kafka_brokers": kafka_brokers,
        "table_prefix": table_prefix,
        "training_sets": None if training_sets is None else fspath(training_sets),
    }
    given = {name: value for name, value in {**named, **more}.items() if value is not None}
    if settings is None:
        settings = load(**given)
    elif given:
        settings = load(**{**settings.model_dump(), **given})
    settings.masters()  # says what to do when no Kudu is known
    if spark is not None and master is not None:
        raise InputError("give either master or spark: a running session has its master already")
    choose_java()
    return Connection(settings, master, spark, progress)


class Connection:
    """An open connection; `connect` makes one. Closes with ``with``, or `close`.

    Every method calls what the job of that name calls, and raises errors of `labelmill.errors`. An
    interrupt (Ctrl-C, or a notebook's stop button) cancels what runs in Spark; the connection can be
    used on.

    Attributes:
        settings: Where everything is; `KuduBatches` and `StreamBatches` take them.
    """

    def __init__(
        self, settings: Settings, master: str | None, spark: SparkSession | None, progress: bool
    ) -> None:
        self.settings = settings
        self._master, self._progress = master, progress
        self._spark, self._owns_spark = spark, False
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<labelmill connection to {self.settings.masters()}, {state}>"

    def __enter__(self) -> Connection:
        self._require_open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops Spark if this connection started it. A second call does nothing."""
        self._closed = True
        spark, self._spark = self._spark, None
        if spark is not None and self._owns_spark:
            spark.stop()

    @property
    def spark(self) -> SparkSession:
        """The Spark session, started at first use.

        Raises:
            InputError: The connection is closed, or there are no jars of Kudu's connector.
        """
        self._require_open()
        if self._spark is None or self._spark.sparkContext._jsc is None:
            from pyspark.sql import SparkSession

            from labelmill.spark.session import session

            # One that runs already is somebody else's to stop.
            self._owns_spark = SparkSession.getActiveSession() is None
            self._spark = session("labelmill", self._master, self.settings.home)
        return self._spark

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
        """The answer to one query over the catalogue, as ``labelmill sql`` gives it. Reads only.

        Args:
            query: SQL over the tables and views; ``:name`` is a parameter.
            parameters: Name → value, for parameters that are not Python names.
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

    def training_set(self, named: str | PathLike[str]) -> TrainingSet:
        """A training set, verified. Needs no Spark.

        Args:
            named: Its name (the newest), digest, six or more digits of it, folder or URI.

        Raises:
            MissingRow: There is none; lists those that exist.
            InputError: Several fit.
            ArtifactError: A shard is not what was frozen.
        """
        from labelmill.api.training_set import find_training_set

        self._require_open()
        return find_training_set(self.settings, fspath(named))

    def model(self, reference: str) -> Model:
        """A model version, verified. Needs no Spark.

        Args:
            reference: ``"digits:3"``, ``"digits@production"``, or ``"digits"`` for its alias
                ``production``.

        Raises:
            UnknownName: No such model; suggests the closest match.
            MissingRow: The model has no such version or alias; lists those it has.
            ArtifactError: The stored model is not what was published.
        """
        from labelmill.api.model import Model
        from labelmill.domain.models.reference import ModelReference
        from labelmill.pipelines.predict.model_version import load_version, require_model

        parsed = ModelReference.parse(reference)
        with self._client() as client:
            require_model(client, parsed.model)
            return Model(load_version(client, parsed), self.settings.pixel_cap)

    @overload
    def ingest(
        self,
        source: str | PathLike[str],
        collection: str,
        *,
        labels: str = ...,
        uri: str = ...,
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
        labels: str = "folder",
        uri: str = "",
        limit: int | None = None,
        fail_over: float | None = None,
        dry_run: bool = False,
    ) -> IngestResult | IngestDryRun:
        """Brings images into the catalogue. A second run of the same source adds nothing.

        Args:
            source: Folder, archive (``.tar``, ``.tar.gz``, ``.zip``), IDX file, manifest (``.csv``,
                ``.parquet``), URI or ``kafka:TOPIC``; see docs/guides/sources.md.
            collection: Name that the images get.
            labels: Where classes come from: ``folder``, ``none``, or a pattern of file names such as
                ``"{class}.{number}.png"``.
            uri: For a manifest without a column of paths: how a path is made of its columns.
            limit: Files at most.
            fail_over: Per cent of files, 0..100: more quarantined files are an error, at the end.
            dry_run: Read and decode everything, write nothing.

        Raises:
            InputError: No such source, or a folder that workers cannot see.
            NoData: There is no image in the source.
            NotAccepted: More files are quarantined than `fail_over`; the good ones are taken.
            AllFailed: All files are quarantined.
            StoreError: Kudu refused.
        """
        from labelmill.api.ingestion import ingest_result
        from labelmill.pipelines.ingest.driver import IngestOptions, ingest

        options = IngestOptions(limit, fail_over, labels, dry_run, uri)
        with self._working() as spark:
            return ingest_result(ingest(spark, self.settings, fspath(source), collection, options))

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
        """Freezes a slice: the same slice at the same snapshot is the same training set.

        Args:
            query: SQL, a named slice (``labelmill slice list``), or the path of a slice's ``.sql``
                file; what it may give: docs/guides/slices.md.
            name: What people call the training set.
            collection: Instead of `query`: all its images that have a truth, split as their source
                says.
            parameters: Name → value of each ``:name`` in the query.
            snapshot: Kudu snapshot: milliseconds since 1970 UTC, ISO 8601 text or a datetime;
                default: now.
            location: Folder or URI below which it is written; default: settings.
            fractions: Train, validation and test, for rows without a split.
            validation_fraction: Cut off train when splits are given and none is validation; 0: never.
            salt: Another salt gives another hash split.
            stratify: Exact shares of every class.
            group_by: A column of the query: rows with equal values stay in one split.
            source_splits: Take the split from ``images`` where the query gives none.
            balance: Cut train rows of every class down to the smallest class.
            limit_per_class: Rows of each class in each split, at most, drawn by hash.
            class_list: Classes in the order of their indices; default: those that occur, sorted.
            no_target: Freeze images or features alone.

        Raises:
            QueryRefused: The query does more than read, or is not repeatable.
            UnknownName: An unknown slice, view, column or parameter; suggests the closest match.
            NoData: The slice has no rows.
            InputError: Rows without a class, duplicate images, groups in two splits.
            StoreError: Kudu refused.
        """
        from labelmill.api.freezing import FreezeResult
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

    @suggest_arguments
    def train(
        self,
        sweep: str | PathLike[str] | Mapping[str, Any] | SweepPlan,
        training_set: str | PathLike[str] | TrainingSet | FreezeResult,
        *,
        parallel: int | None = None,
        retry_failed: bool = False,
        trial_timeout: float | None = None,
    ) -> SweepResult:
        """Trains one model version per setting of a sweep. Trials that ended are not repeated.

        Args:
            sweep: A sweep file (YAML, see conf/sweeps), or what it holds as a dict.
            training_set: What to learn from: a training set, its name, digest or folder.
            parallel: Trials at a time; default: the executors' slots.
            retry_failed: Run trials again that failed, or whose stored model is damaged.
            trial_timeout: Seconds after which a trial counts as failed.

        Raises:
            UnknownName: An unknown key, family or metric; suggests the closest match.
            InputError: A sweep that cannot be read, or executors without TensorFlow.
            NoData: A split that the sweep needs has no rows.
            AllFailed: No trial succeeded.
        """
        from labelmill.api.sweep import SweepResult
        from labelmill.domain.models.sweep_plan import SweepPlan
        from labelmill.pipelines.train import driver

        if isinstance(sweep, (str, PathLike)):
            plan = driver.read_plan(Path(sweep))
        else:
            plan = sweep if isinstance(sweep, SweepPlan) else SweepPlan.parse(sweep)
        learned_from = self._opened(training_set)
        with self._working() as spark:
            return SweepResult.of(
                driver.sweep(
                    spark, self.settings, plan, learned_from, parallel, retry_failed, trial_timeout
                )
            )

    @suggest_arguments
    def evaluate(
        self,
        model: str,
        *,
        training_set: str | PathLike[str] | TrainingSet | FreezeResult | None = None,
        split: str = "test",
        sql: str | None = None,
        snapshot: Snapshot = None,
        versions: str | int | Sequence[int] = "all",
        max_error: float | None = None,
        promote: bool = False,
        alias: str = "production",
    ) -> EvaluationResult:
        """Measures versions of a model on a slice, judges them and writes ``evaluations``.

        That no version holds `max_error` is not an error: the result says so, and why.

        Args:
            model: Model name.
            training_set: Measure on a training set: one, its name, digest or folder.
            split: Split of `training_set`.
            sql: Instead: a query with ``class`` and the columns of ``images``.
            snapshot: Of `sql`: milliseconds since 1970 UTC, ISO 8601 text or a datetime.
            versions: ``"all"``, ``"best:3"`` by validation in their sweeps, or numbers.
            max_error: Acceptable error (1 − accuracy), 0..1, stated before measuring.
            promote: Move `alias` to the accepted version that is best by validation.
            alias: Alias that `promote` moves.

        Raises:
            InputError: Promotion without `max_error`; both or neither of `training_set` and `sql`.
            NoData: The slice has no rows.
            MissingRow: No such model or version.
            QueryRefused: The query does more than read, or is not repeatable.
            ArtifactError: A stored model is not what was published.
        """
        from labelmill.api.evaluation import EvaluationResult
        from labelmill.pipelines.evaluate.driver import measure_versions
        from labelmill.pipelines.evaluate.slice_rows import Slice

        if isinstance(versions, int):
            versions = [versions]
        chosen = versions if isinstance(versions, str) else ",".join(map(str, versions))
        location = None if training_set is None else self._named(training_set)
        on = Slice(sql, snapshot_of(snapshot), location, split)
        with self._working() as spark:
            report, judged = measure_versions(
                spark, self.settings, model, on, chosen, max_error, promote, alias
            )
            return EvaluationResult.of(report, judged, max_error)

    @suggest_arguments
    def predict(
        self,
        model: str,
        *,
        collection: str | None = None,
        sql: str | None = None,
        threshold: float | None = None,
        dry_run: bool = False,
    ) -> LabelResult:
        """Labels the images of a slice into ``labels``. For arrays and files see `model`.

        Args:
            model: ``"digits:3"``, ``"digits@production"``, or ``"digits"`` for its alias
                ``production``.
            collection: All its images.
            sql: Instead: a query with the columns of ``images``.
            threshold: Least probability that is accepted, 0..1; below it the decision is ``review``.
            dry_run: Predict and report, write nothing.

        Raises:
            InputError: Both or neither of `collection` and `sql`.
            MissingRow: No such model, version or alias.
            NoData: The slice has no images.
            AllFailed: The model can take none of them.
            QueryRefused: The query does more than read.
            ArtifactError: The stored model is not what was published.
        """
        from labelmill.api.labels import LabelResult
        from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
        from labelmill.domain.models.reference import ModelReference
        from labelmill.pipelines.predict import driver

        if (sql is None) == (collection is None):
            raise InputError("give what to label: either collection or sql")
        query = sql if sql is not None else driver.collection_sql(str(collection))
        least = DEFAULT_THRESHOLD if threshold is None else threshold
        named = ModelReference.parse(model)
        with self._working() as spark:
            return LabelResult.of(
                driver.predict_images(
                    spark,
                    self.settings,
                    query,
                    named.model,
                    named.version,
                    named.alias,
                    least,
                    dry_run,
                )
            )

    def _query(self, query: str, texts: Mapping[str, str], snapshot: Snapshot) -> DataFrame:
        from labelmill.sql import catalogue

        at = snapshot_of(snapshot)
        return catalogue.query(self.spark, self.settings, query, at, parameters=texts)

    def _named(self, training_set: str | PathLike[str] | TrainingSet | FreezeResult) -> str:
        if isinstance(training_set, (str, PathLike)):
            return fspath(training_set)
        return training_set.location

    def _opened(
        self, training_set: str | PathLike[str] | TrainingSet | FreezeResult
    ) -> TrainingSet:
        from labelmill.api.freezing import FreezeResult

        if isinstance(training_set, (str, PathLike)):
            return self.training_set(training_set)
        return training_set.training_set if isinstance(training_set, FreezeResult) else training_set

    @contextmanager
    def _client(self) -> Iterator[RowClient]:
        from labelmill.store.connect import open_client

        self._require_open()
        client = open_client(self.settings)
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def _working(self) -> Iterator[SparkSession]:
        """Around work of a pipeline: its progress, and what an interrupt leaves behind."""
        from labelmill.spark.progress import hidden_progress
        from labelmill.spark.session import cancel_jobs

        spark = self.spark
        with ExitStack() as stack:
            if not self._progress:
                stack.enter_context(hidden_progress())
            try:
                yield spark
            except KeyboardInterrupt:
                cancel_jobs(spark)
                raise

    def _require_open(self) -> None:
        if self._closed:
            raise InputError("this connection is closed; open another one with labelmill.connect()")

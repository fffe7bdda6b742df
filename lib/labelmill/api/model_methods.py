"""Methods that train, measure and use models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelmill.api.arguments import suggest_arguments
from labelmill.api.parameters import Snapshot, snapshot_of
from labelmill.api.training_set_methods import TrainingSetMethods
from labelmill.errors import InputError

if TYPE_CHECKING:
    from labelmill.api.model import Model
    from labelmill.api.results.evaluation import EvaluationResult
    from labelmill.api.results.freeze import FreezeResult
    from labelmill.api.results.labels import LabelResult
    from labelmill.api.results.sweep import SweepResult
    from labelmill.api.results.training_set import TrainingSet
    from labelmill.domain.models.sweep_plan import SweepPlan


class ModelMethods(TrainingSetMethods):
    """Methods that train, evaluate, load and apply models."""

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
        """Trains one model version per setting of a sweep. Finished trials are not repeated.

        Args:
            sweep: A sweep file (YAML, see conf/sweeps), or its content as a dict.
            training_set: Training set to train on, or its name, digest or folder.
            parallel: Trials to run at a time; default: the number of executor slots.
            retry_failed: Also run trials that failed before, or whose stored model is damaged.
            trial_timeout: Seconds after which a trial counts as failed.

        Raises:
            UnknownName: An unknown key, family or metric; suggests the closest match.
            InputError: A sweep that cannot be read, or executors without TensorFlow.
            NoData: A split that the sweep needs has no rows.
            AllFailed: No trial succeeded.
        """
        from labelmill.api.results.sweep import SweepResult
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
        split: str | None = None,
        sql: str | None = None,
        snapshot: Snapshot = None,
        versions: str | int | Sequence[int] = "all",
        max_error: float | None = None,
        promote: bool = False,
        alias: str | None = None,
        promote_if: str | None = None,
    ) -> EvaluationResult:
        """Measures versions of a model on a slice, judges them and writes to ``evaluations``.

        It is not an error if no version is accepted: the result says so, and why. What was measured
        before on the same slice is not measured again.

        Args:
            model: Model name.
            training_set: Training set to measure on, or its name, digest or folder.
            split: Split of `training_set`; default: ``"test"``.
            sql: Instead of `training_set`: a query with ``class`` and the columns of ``images``.
            snapshot: Time at which `sql` reads: milliseconds since 1970 UTC, ISO 8601 text or a datetime.
            versions: ``"all"``, ``"best:3"`` by validation in their sweeps, or numbers.
            max_error: Acceptable error (1 − accuracy), 0..1, stated before measuring.
            promote: Move `alias` to the accepted version that is best by validation.
            alias: Alias that `promote` moves; default: ``"production"``.
            promote_if: How a version must compare with the one that `alias` points to, on the same
                images: ``"no-worse"`` (the default: no more of them wrong), ``"better"``
                (significantly fewer wrong) or ``"any"``. Needs `promote`.

        Raises:
            InputError: Promotion without `max_error`, or `promote_if` or `alias` without it; both or
                neither of `training_set` and `sql`.
            UnknownName: An unknown rule.
            NoData: The slice has no rows.
            MissingRow: No such model or version.
            QueryRefused: The query does more than read, or is not repeatable.
            ArtifactError: A stored model is not what was published.
        """
        from labelmill.api.results.evaluation import EvaluationResult
        from labelmill.pipelines.evaluate.driver import measure_versions
        from labelmill.pipelines.evaluate.slice_rows import Slice

        if isinstance(versions, int):
            versions = [versions]
        chosen = versions if isinstance(versions, str) else ",".join(map(str, versions))
        location = None if training_set is None else self._named(training_set)
        on = Slice(sql, snapshot_of(snapshot), location, split)
        with self._working() as spark:
            report, judged = measure_versions(
                spark, self.settings, model, on, chosen, max_error, promote, alias, promote_if
            )
            return EvaluationResult.of(report, judged, max_error)

    def model(self, reference: str) -> Model:
        """Loads and verifies a model version. Needs no Spark.

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
        """Labels the images of a slice and writes to ``labels``. For arrays and files see `model`.

        Args:
            model: ``"digits:3"``, ``"digits@production"``, or ``"digits"`` for its alias
                ``production``.
            collection: Label all images of this collection.
            sql: Instead of `collection`: a query with the columns of ``images``.
            threshold: Lowest probability that is accepted, 0..1; below it the decision is ``review``.
            dry_run: Predict and report, write nothing.

        Raises:
            InputError: Both or neither of `collection` and `sql`.
            MissingRow: No such model, version or alias.
            NoData: The slice has no images.
            AllFailed: The model accepts none of them.
            QueryRefused: The query does more than read.
            ArtifactError: The stored model is not what was published.
        """
        from labelmill.api.results.labels import LabelResult
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

    def _named(self, training_set: str | PathLike[str] | TrainingSet | FreezeResult) -> str:
        if isinstance(training_set, (str, PathLike)):
            return fspath(training_set)
        return training_set.location

    def _opened(
        self, training_set: str | PathLike[str] | TrainingSet | FreezeResult
    ) -> TrainingSet:
        from labelmill.api.results.freeze import FreezeResult

        if isinstance(training_set, (str, PathLike)):
            return self.training_set(training_set)
        return training_set.training_set if isinstance(training_set, FreezeResult) else training_set

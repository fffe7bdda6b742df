"""What an evaluation found: measures and verdict of each version."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from labelmill.api.results.fragment import figures, render
from labelmill.domain.models.metrics import Evaluation
from labelmill.domain.models.promotion import Verdict
from labelmill.errors import UnknownName
from labelmill.pipelines.evaluate.verdicts import Judged
from labelmill.serving.shown_confusion import SHOWN, shown_matrix
from labelmill.spark.report import Report

VERSIONS = 50
"""Versions in the table of a page."""


@dataclass(frozen=True)
class VersionResult:
    """One version, measured and judged.

    Attributes:
        version: Its number.
        validation_metric: The objective of its sweep at the end of training; None: not part of a sweep.
        measures: Accuracy, precision, recall, F1, per class and as means, and the confusion matrix.
        verdict: Whether it is accepted, and why.

    Example::

        best = mill.evaluate("digits", training_set="digits", max_error=0.05).best
        best.version, best.accuracy, best.verdict.reasons
    """

    version: int
    validation_metric: float | None
    measures: Evaluation = field(repr=False)
    verdict: Verdict

    @property
    def accuracy(self) -> float:
        """Share of correct labels, 0..1."""
        return self.measures.accuracy

    @property
    def accepted(self) -> bool | None:
        """True or False; None where no acceptable error was stated."""
        return self.verdict.accepted


@dataclass(frozen=True)
class EvaluationResult:
    """Versions of a model, measured on one slice. A notebook shows `best`.

    Attributes:
        model: The model's name.
        slice: The query, or the training set and split.
        rows: Number of images measured.
        versions: All measured versions, by number.
        max_error: The acceptable error, if one was stated.
        promoted: Version that the alias was moved to; None: it was not moved.
        serving: Version that the alias pointed to, with which the others were compared; None: none.
        notes: Reasons of the verdicts.
        seconds: Wall-clock time.

    Example::

        found = mill.evaluate("digits", training_set="digits", max_error=0.05, promote=True)
        found.promoted, [(one.version, one.accuracy) for one in found.versions]
    """

    model: str
    slice: str
    rows: int
    versions: tuple[VersionResult, ...]
    max_error: float | None
    promoted: int | None
    serving: int | None
    notes: tuple[str, ...]
    seconds: float
    _chosen: int = field(repr=False)

    @classmethod
    def of(cls, report: Report, judged: list[Judged], max_error: float | None) -> EvaluationResult:
        """From what the pipeline reports."""
        results = report.results
        promoted: dict[str, Any] = results.get("promoted", {})
        accepted = [c for c, _, verdict in judged if verdict.accepted]
        # By validation, as promotion chooses: the best on this slice would flatter.
        best = min(accepted or [c for c, _, _ in judged], key=lambda c: c.rank)
        return cls(
            model=str(results["model"]),
            slice=str(results["slice"]),
            rows=int(results["rows"]),
            versions=tuple(VersionResult(c.version, c.metric, e, v) for c, e, v in judged),
            max_error=max_error,
            promoted=promoted.get("version"),
            serving=results.get("compared_with", {}).get("version"),
            notes=tuple(report.notes),
            seconds=report.seconds,
            _chosen=promoted.get("version", best.version),
        )

    @property
    def best(self) -> VersionResult:
        """The promoted version; else the best by validation of the accepted ones, or of all."""
        return self[self._chosen]

    @property
    def accepted(self) -> tuple[int, ...]:
        """Versions that are accepted."""
        return tuple(one.version for one in self.versions if one.accepted)

    def __getitem__(self, version: int) -> VersionResult:
        """One version by its number.

        Raises:
            UnknownName: It was not measured.
        """
        for one in self.versions:
            if one.version == version:
                return one
        raise UnknownName("measured version", str(version), (str(v.version) for v in self.versions))

    def _repr_html_(self) -> str:
        best = self.best
        measures = best.measures
        weakest = sorted(
            (score for score in measures.per_class if score.support or score.precision),
            key=lambda score: score.f1,
        )
        few = len(measures.classes) <= SHOWN
        matrix = shown_matrix(measures)
        by_merit = sorted(self.versions, key=lambda v: (v is not best, v.version))
        return render(
            "evaluation.html.j2",
            result=self,
            best=best,
            figures=figures(
                (measures.accuracy, "accuracy"),
                (measures.f1_macro, "F1, mean of classes"),
                (measures.rows, "images"),
            ),
            matrix=matrix,
            turned=max(map(len, matrix.names)) > 4,
            scores=measures.per_class if few else weakest[:SHOWN],
            few=few,
            versions=by_merit[:VERSIONS],
            more=max(0, len(self.versions) - VERSIONS),
        )

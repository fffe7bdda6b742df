"""Which trial and which evaluation a run page shows first."""

from __future__ import annotations

from labelmill.serving.run_data import Curve, MeasuredVersion, Run, best_curve, headline_evaluation


def curve(number: int, metric: float | None) -> Curve:
    return Curve(number, None if metric is None else number + 1, {}, "done", metric, 1.0, None)


def measured(version: int, accuracy: float = 0.9, accepted: bool | None = None) -> MeasuredVersion:
    return MeasuredVersion(version, 10, accuracy, accuracy, accepted, [], "d")


def run(
    curves: list[Curve],
    measured: list[MeasuredVersion],
    production: int | None = None,
    goal: str = "maximize",
) -> Run:
    aliases = {} if production is None else {"production": production}
    return Run("c", "m", "x", goal, 1, 1, 0, aliases, None, curves, measured, [], [], [])


def test_the_best_curve_follows_the_goal_and_the_first_of_equals_wins() -> None:
    curves = [curve(0, 0.5), curve(1, 0.9), curve(2, None), curve(3, 0.9), curve(4, 0.5)]
    assert best_curve(curves, "maximize") is curves[1]
    assert best_curve(curves, "minimize") is curves[0]
    assert best_curve([curve(0, None)], "maximize") is None
    assert best_curve([], "maximize") is None


def test_the_evaluation_shown_first_is_not_chosen_by_what_it_measures() -> None:
    curves = [curve(0, 0.5), curve(1, 0.9)]
    all_three = [measured(1, 0.99), measured(2, 0.8), measured(3, 0.85)]
    shown = headline_evaluation(run(curves, all_three, production=3))
    assert shown is all_three[2], "none is accepted, so what serves"
    assert headline_evaluation(run(curves, all_three)) is all_three[1], "the sweep's best"
    assert headline_evaluation(run([], all_three, production=3)) is all_three[2]
    assert (
        headline_evaluation(run(curves, [all_three[0], all_three[2]], production=3)) is all_three[2]
    )
    assert headline_evaluation(run([], all_three)) is all_three[0], "else any"
    assert headline_evaluation(run(curves, [])) is None
    assert headline_evaluation(run(curves, all_three, goal="minimize")) is all_three[0]


def test_a_rejected_version_is_not_shown_as_the_promoted_one() -> None:
    curves = [curve(0, 0.5), curve(1, 0.9), curve(2, 0.7)]
    verdicts = [measured(1, 0.8, True), measured(2, 0.7, False), measured(3, 0.8, True)]
    assert headline_evaluation(run(curves, verdicts)) is verdicts[2], "accepted, best by validation"
    assert headline_evaluation(run(curves, verdicts, production=1)) is verdicts[2]

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from labelmill.domain.models.parameters import FAMILY_NAMES, PARAMETERS, check_values, resolve
from labelmill.domain.models.preparation import Preparation
from labelmill.domain.models.sweep_plan import SweepPlan
from labelmill.errors import InputError, UnknownName

SWEEPS = Path(__file__).parents[4] / "conf" / "sweeps"

TEXT = """
name: digits
model: numbers
objective: {metric: validation_loss}
preparation: [grey]
seed: 3
fixed: {family: mlp, epochs: 2}
vary:
  hidden: [[10], [20, 5]]
  learning_rate: [1e-2, 0.5, 1]
"""


def plan(text: str = TEXT, **changes: object) -> SweepPlan:
    return SweepPlan.parse({**yaml.safe_load(text), **changes})


def test_the_grid_in_the_order_of_nested_loops() -> None:
    settings = plan().settings()
    assert [(s.parameters["hidden"], s.parameters["learning_rate"]) for s in settings] == [
        ([10], 0.01), ([10], 0.5), ([10], 1.0), ([20, 5], 0.01), ([20, 5], 0.5), ([20, 5], 1.0),
    ]  # fmt: skip
    assert [s.number for s in settings] == list(range(6))
    assert {s.family for s in settings} == {"mlp"}
    assert {s.preparation for s in settings} == {Preparation.parse(["grey"])}
    assert {s.parameters["seed"] for s in settings} == {3}
    assert len({s.trial_id for s in settings}) == 6
    assert all(len(s.trial_id) == 16 for s in settings)


def test_objective_and_names() -> None:
    found = plan()
    assert (found.name, found.model, found.metric, found.goal) == (
        "digits",
        "numbers",
        "validation_loss",
        "minimize",
    )
    assert found.better(0.1, 0.2)
    assert plan(objective={}).better(0.2, 0.1)
    assert plan(model="digits", objective={"goal": "minimize"}).goal == "minimize"


def test_defaults_are_filled_in_and_l2_follows_the_rate() -> None:
    first = plan().settings()[0].parameters
    assert set(first) == set(PARAMETERS)
    assert first["momentum"] == 0.98
    assert first["nesterov"] is True
    assert first["l2"] == pytest.approx(0.01 * 0.005)
    assert resolve("mlp", {"l2": 0})["l2"] == 0.0
    assert resolve("softmax", {})["l2"] == 0.0
    assert resolve("mlp", {})["hidden"] == [500, 100]


def test_a_list_of_settings_instead_of_a_grid() -> None:
    settings = plan(
        "name: a",
        fixed={"epochs": 3},
        settings=[{"family": "softmax"}, {"family": "mlp", "epochs": 4, "preparation": ["invert"]}],
    ).settings()
    assert [(s.family, s.parameters["epochs"]) for s in settings] == [("softmax", 3), ("mlp", 4)]
    assert settings[1].preparation == Preparation.parse(["invert"])


def test_settings_that_are_the_same_are_one() -> None:
    grid = {"family": ["softmax", "mlp"], "hidden": [[10], [20]], "learning_rate": [0.01, "0.01"]}
    settings = plan("name: a", vary=grid).settings()
    assert [(s.family, s.parameters.get("hidden")) for s in settings] == [
        ("softmax", None), ("mlp", [10]), ("mlp", [20]),
    ]  # fmt: skip
    assert [s.number for s in settings] == [0, 1, 2]


def test_identities_do_not_depend_on_how_the_file_is_written() -> None:
    written_otherwise = plan(
        """
        vary: {hidden: [[10], [20, 5]], learning_rate: [0.01, 0.5, 1.0]}
        fixed: {epochs: 2, family: mlp, momentum: 0.98, seed: 3}
        preparation: [grey]
        objective: {metric: validation_loss, goal: minimize}
        model: numbers
        name: digits
        """
    )
    assert [s.trial_id for s in written_otherwise.settings()] == [
        s.trial_id for s in plan().settings()
    ]
    assert written_otherwise.sweep_id("d") == plan().sweep_id("d")


@pytest.mark.parametrize(
    "changes",
    [{"seed": 4}, {"preparation": ["invert"]}, {"fixed": {"family": "mlp", "epochs": 3}}],
)
def test_every_change_is_another_trial_and_another_sweep(changes: dict[str, object]) -> None:
    before = {s.trial_id for s in plan().settings()}
    assert before.isdisjoint(s.trial_id for s in plan(**changes).settings())
    assert plan(**changes).sweep_id("d") != plan().sweep_id("d")


def test_another_training_set_is_another_sweep() -> None:
    assert plan().sweep_id("d") != plan().sweep_id("e")
    assert len(plan().sweep_id("d")) == 16


def test_identities_are_stable_across_releases() -> None:
    assert plan().settings()[0].trial_id == TRIAL_ID


TRIAL_ID = "48b83c3f0b0ffba9"


def test_json_reads_back_to_an_equal_plan() -> None:
    again = SweepPlan.parse(json.loads(plan().to_json()))
    assert again == plan()
    assert again.sweep_id("d") == plan().sweep_id("d")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectiv": {}}, "unknown key in a sweep file 'objectiv'.*Did you mean 'objective'"),
        ({"varry": {}}, "Did you mean 'vary'"),
        (
            {"fixed": {"family": "mlp", "learning_rte": 1}},
            "key in fixed.*Did you mean 'learning_rate'",
        ),
        ({"vary": {"epoch": [1]}}, "key in vary.*Did you mean 'epochs'"),
        ({"fixed": {"family": "mpl"}}, "unknown family 'mpl'.*Did you mean 'mlp'"),
        ({"fixed": {}, "vary": {"family": ["softmx"]}}, "Did you mean 'softmax'"),
        ({"objective": {"metric": "validation_acuracy"}}, "Did you mean 'validation_accuracy'"),
        ({"objective": {"gaol": "maximize"}}, "Did you mean 'goal'"),
        ({"objective": {"goal": "maximise"}}, "Did you mean 'maximize'"),
        ({"search": "grdi"}, "Did you mean 'grid'"),
        ({"preparation": ["gray"]}, "Did you mean 'grey'"),
        ({"fixed": {"family": "mlp", "schedule": "cosin"}}, "Did you mean 'cosine'"),
    ],
)
def test_a_typo_gets_the_right_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        plan(**changes)


BAD = [
    ({"name": None}, "expected `name`"),
    ({"name": "  "}, "expected `name`"),
    ({"model": 7}, "expected `model`"),
    ({"vary": {}, "settings": [{}]}, "either"),
    ({"vary": {"dropout": 3}}, "`vary.dropout` as a list"),
    ({"vary": {"dropout": []}}, "`vary.dropout` as a list"),
    ({"vary": None}, "expected vary as a mapping"),
    ({"vary": {"epochs": [3]}}, "`epochs` is both fixed and varied"),
    ({"fixed": [1]}, "expected fixed as a mapping"),
    ({"fixed": {"epochs": 1}}, "no `family` is given"),
    (
        {"fixed": {"family": "mlp", "epochs": "three"}},
        "`epochs` as a whole number, received 'three'",
    ),
    ({"fixed": {"family": "mlp", "epochs": 2.5}}, "`epochs` as a whole number"),
    ({"fixed": {"family": "mlp", "epochs": True}}, "`epochs` as a whole number"),
    ({"fixed": {"family": "mlp", "batch_size": "32"}}, "`batch_size` as a whole number"),
    ({"vary": {"learning_rate": ["fast"]}}, "`learning_rate` as a number, received 'fast'"),
    ({"vary": {"learning_rate": [float("nan")]}}, "`learning_rate` as a number"),
    ({"vary": {"learning_rate": [None]}}, "`learning_rate` as a number"),
    ({"vary": {"hidden": [10, 20]}}, "`hidden` as a list of whole numbers, received 10"),
    ({"vary": {"hidden": [["a"]]}}, "`hidden` as a list of whole numbers"),
    ({"fixed": {"family": "mlp", "nesterov": 1}}, "`nesterov` as a yes or no"),
    ({"seed": "x"}, "`seed` as a whole number"),
    (
        {"fixed": {"family": "softmax"}},
        "parameter `hidden` is for family mlp; the sweep has softmax",
    ),
    (
        {"vary": {"batch_size": list(range(400)), "seed": list(range(400))}},
        "160,000 settings, more than the cap of 100,000",
    ),
    ({"preparation": "grey"}, "list of preparation steps"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_invalid_arguments_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(**changes)


@pytest.mark.parametrize("data", [None, [], "name: x", 7])
def test_a_file_that_is_no_sweep(data: object) -> None:
    with pytest.raises(InputError, match="expected a sweep file as a mapping"):
        SweepPlan.parse(data)


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"batch_size": -4},
        {"momentum": 1.0},
        {"dropout": 1},
        {"hidden": [0]},
        {"l2": -1},
        {"learning_rate": -0.1},
    ],
)
def test_values_that_no_training_can_mean_are_left_to_the_trial(given: dict[str, object]) -> None:
    parameters = plan("name: a", settings=[{"family": "mlp", **given}]).settings()[0].parameters
    with pytest.raises(InputError, match=rf"parameter `{next(iter(given))}` must be"):
        check_values(parameters)


def test_parameters_of_another_family_are_unknown() -> None:
    with pytest.raises(UnknownName, match="parameter of softmax 'hidden'"):
        resolve("softmax", {"hidden": [3]})


def test_every_parameter_has_a_comment_and_a_default_that_can_be_trained() -> None:
    for parameter in PARAMETERS.values():
        assert parameter.comment
        assert set(parameter.default) <= set(FAMILY_NAMES)
    for family in FAMILY_NAMES:
        check_values(resolve(family, {}))


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_sweeps_can_be_read(path: Path) -> None:
    found = SweepPlan.parse(yaml.safe_load(path.read_text()))
    assert len(found.settings()) >= 1
    for setting in found.settings():
        check_values(setting.parameters)

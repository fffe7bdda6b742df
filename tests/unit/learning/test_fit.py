from __future__ import annotations

import importlib.util
import itertools

import numpy as np
import pytest

from labelmill.domain.models.parameters import FAMILY_NAMES
from labelmill.errors import InputError, LabelmillError, NoData, UnknownName
from labelmill.learning.families import FAMILIES
from labelmill.learning.fit import Examples, fit
from tests.helpers.forks import Forks
from tests.helpers.train_once import artifact_hash

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow") is None,
        reason="TensorFlow is not installed: pip install 'labelmill[train]'",
    ),
]

TRAIN_ONCE = """
import sys
from tests.helpers.train_once import artifact_hash
for family in sys.argv[1:]:
    print(artifact_hash(family))
"""


def digits() -> tuple[Examples, Examples]:
    """scikit-learn's digits 0..1, 1,437 to learn and 360 to measure."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    images = (data.images / 16).astype(np.float32)[..., None]
    held_out = np.arange(len(images)) % 5 == 0
    classes = data.target.astype(np.int64)
    return (images[~held_out], classes[~held_out]), (images[held_out], classes[held_out])


def tiny(count: int = 40) -> Examples:
    random = np.random.default_rng(3)
    return random.random((count, 4, 4, 1), np.float32), random.integers(0, 3, count)


def test_the_table_of_families_is_the_declared_one() -> None:
    assert tuple(FAMILIES) == FAMILY_NAMES


@pytest.mark.parametrize(("family", "least"), [("softmax", 0.93), ("mlp", 0.965)])
def test_digits_are_learned(family: str, least: float) -> None:
    train, held_out = digits()
    fitted = fit(
        family, {"epochs": 20, "batch_size": 32, "learning_rate": 0.01}, train, held_out, 10
    )
    assert fitted.history[-1]["validation_accuracy"] >= least
    # the figure is that of the model that is handed out, counted here by hand
    answers = np.asarray(fitted.model(held_out[0], training=False)).argmax(axis=1)
    assert (answers == held_out[1]).mean() == pytest.approx(
        fitted.history[-1]["validation_accuracy"]
    )


def test_the_reference_net() -> None:
    model = FAMILIES["mlp"]((28, 28, 1), 10, fit_parameters())
    shapes = [tuple(v.shape) for v in model.trainable_variables]
    assert shapes == [(784, 500), (500,), (500, 100), (100,), (100, 10), (10,)]
    kernel = model.get_layer("hidden_1").kernel.numpy()
    bound = np.sqrt(6 / (784 + 500))  # Glorot's uniform
    assert np.abs(kernel).max() <= bound
    assert np.abs(kernel).max() > 0.99 * bound
    assert [
        layer.activation.__name__ for layer in model.layers if layer.name.startswith("hidden")
    ] == ["relu"] * 2
    assert model.get_layer("hidden_1").kernel_regularizer.l2 == pytest.approx(0.03 * 0.005)


def fit_parameters() -> dict[str, object]:
    from labelmill.domain.models.parameters import resolve

    return resolve("mlp", {})


def test_one_step_of_softmax_is_what_the_formulas_say() -> None:
    """Nesterov momentum from rest: step = rate × (1 + momentum) × gradient."""
    images, classes = tiny(10)
    parameters: dict[str, object] = {
        "epochs": 1, "batch_size": 10, "learning_rate": 0.5, "momentum": 0.9, "schedule": "constant", "l2": 0.1,
    }  # fmt: skip
    start = (
        FAMILIES["softmax"]((4, 4, 1), 3, {**parameters, "seed": 0})
        .get_layer("scores")
        .kernel.numpy()
    )
    fitted = fit("softmax", parameters, (images, classes), None, 3)
    flat = images.reshape(10, 16).astype(np.float64)
    scores = flat @ start
    odds = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    gradient = flat.T @ (odds - np.eye(3)[classes]) / 10 + 2 * 0.1 * start
    expected = start - 0.5 * (1 + 0.9) * gradient
    np.testing.assert_allclose(fitted.model.get_layer("scores").kernel.numpy(), expected, atol=1e-5)
    loss = -np.log(odds[np.arange(10), classes]).mean() + 0.1 * (start**2).sum()
    assert fitted.history[0]["train_loss"] == pytest.approx(loss, rel=1e-5)
    assert fitted.history[0]["train_accuracy"] == pytest.approx(
        (scores.argmax(axis=1) == classes).mean()
    )


def test_every_epoch_is_reported_with_its_metrics() -> None:
    reported: list[tuple[int, set[str]]] = []
    fitted = fit(
        "softmax", {"epochs": 3}, tiny(), tiny(7), 3, lambda n, m: reported.append((n, set(m)))
    )
    names = {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"}
    assert reported == [(1, names), (2, names), (3, names)]
    assert len(fitted.history) == 3
    without = fit("softmax", {"epochs": 1}, tiny(), None, 3).history[0]
    assert set(without) == {"train_loss", "train_accuracy"}


def test_images_that_are_measured_teach_nothing() -> None:
    one = fit("softmax", {"epochs": 2}, tiny(), tiny(9), 3).model.get_weights()
    other = fit("softmax", {"epochs": 2}, tiny(), None, 3).model.get_weights()
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def test_cosine_ends_near_zero_and_constant_does_not() -> None:
    from labelmill.learning.compiled_epoch import Epochs

    parameters = {**fit_parameters(), "epochs": 4, "batch_size": 10, "learning_rate": 1.0}
    model = FAMILIES["mlp"]((4, 4, 1), 3, parameters)
    epochs = Epochs(model, parameters, *tiny(40))
    rates = np.concatenate([epochs._rates(epoch) for epoch in range(1, 5)])
    np.testing.assert_allclose(
        rates, [(1 + np.cos(np.pi * i / 16)) / 2 for i in range(16)], atol=1e-6
    )
    constant = Epochs(model, {**parameters, "schedule": "constant"}, *tiny(40))
    np.testing.assert_array_equal(constant._rates(4), np.ones(4))


def test_an_excessive_learning_rate_is_reported_as_divergence() -> None:
    with pytest.raises(
        LabelmillError, match=r"diverged: the loss of epoch 1 .* lower the learning rate"
    ):
        fit("mlp", {"learning_rate": 1e9, "epochs": 3}, tiny(), tiny(5), 3)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be 1 or more"),
        ({"epochs": 0}, "`epochs`"),
        ({"momentum": 1.5}, "below 1"),
        ({"hidden": [0]}, "`hidden`"),
    ],
)
def test_values_no_training_can_mean(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit("mlp", parameters, tiny(), None, 3)


def test_arrays_that_do_not_fit() -> None:
    images, classes = tiny()
    with pytest.raises(UnknownName, match="Did you mean 'mlp'"):
        fit("mpl", {}, tiny(), None, 3)
    with pytest.raises(NoData):
        fit("softmax", {}, (images[:0], classes[:0]), None, 3)
    with pytest.raises(InputError, match="classes of 0 to 1, received 0 to 2"):
        fit("softmax", {}, tiny(), None, 2)
    with pytest.raises(InputError, match="must agree"):
        fit("softmax", {}, tiny(), (images[:, :3], classes), 3)
    with pytest.raises(InputError, match="train images"):
        fit("softmax", {}, (images, classes[:3]), None, 3)


def test_fewer_images_than_a_batch_are_one_batch() -> None:
    fitted = fit(
        "softmax", {"epochs": 30, "batch_size": 999, "learning_rate": 0.1}, tiny(6), None, 3
    )
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]


def test_no_hidden_layer_is_allowed() -> None:
    assert len(fit("mlp", {"hidden": [], "epochs": 1}, tiny(), None, 3).model.get_weights()) == 2


def test_the_same_training_gives_the_same_artifact_in_every_process(
    tensorflow_forks: Forks,
) -> None:
    """Fresh processes, with other models trained before, and again in the same process."""
    hashes: dict[str, set[str]] = {family: set() for family in FAMILY_NAMES}
    for order in (["mlp", "softmax", "mlp"], ["softmax", "softmax", "mlp"]):
        run = tensorflow_forks.run(TRAIN_ONCE, *order)
        assert run.returncode == 0, run.stderr
        for family, found in zip(order, run.stdout.split(), strict=True):
            hashes[family].add(found)
    for family in FAMILY_NAMES:
        hashes[family].add(artifact_hash(family))
        assert len(hashes[family]) == 1, family


def test_another_seed_is_another_model() -> None:
    weights = [
        fit("softmax", {"epochs": 1, "seed": seed}, tiny(), None, 3).model.get_weights()[0]
        for seed in (0, 1, 2)
    ]
    for left, right in itertools.pairwise(weights):
        assert not np.array_equal(left, right)

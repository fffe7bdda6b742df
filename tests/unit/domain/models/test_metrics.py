from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.models.metrics import Evaluation, evaluate, evaluate_counts
from labelmill.errors import InputError, UnknownName


def test_by_hand() -> None:
    found = evaluate(list("aaabbc"), list("aabbca"), ("a", "b", "c"))
    np.testing.assert_array_equal(found.confusion, [[2, 1, 0], [0, 1, 1], [1, 0, 0]])
    assert found.rows == 6
    assert found.accuracy == pytest.approx(3 / 6)
    a, b, c = found.per_class
    assert (a.precision, a.recall, a.f1, a.support) == pytest.approx((2 / 3, 2 / 3, 2 / 3, 3))
    assert (b.precision, b.recall, b.f1, b.support) == pytest.approx((1 / 2, 1 / 2, 1 / 2, 2))
    assert (c.precision, c.recall, c.f1, c.support) == (0, 0, 0, 1)
    assert found.precision_macro == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert found.error == pytest.approx(0.5)
    assert a.to_dict() == {
        "class": "a",
        "precision": a.precision,
        "recall": a.recall,
        "f1": a.f1,
        "support": 3,
    }


def test_a_truth_that_the_model_does_not_know_is_an_error_with_its_own_row() -> None:
    found = evaluate(["a", "zebra"], ["a", "b"], ("b", "a"))
    assert found.classes == ("b", "a", "zebra")
    np.testing.assert_array_equal(found.confusion, [[0, 0, 0], [0, 1, 0], [1, 0, 0]])
    assert found.accuracy == 0.5
    assert found.per_class[2].recall == 0


def test_nothing_measured() -> None:
    found = evaluate([], [], ("a",))
    assert (found.rows, found.accuracy, found.f1_macro) == (0, 0, 0)
    assert found.confusion.shape == (1, 1)


def test_ten_thousand_classes_take_the_room_of_their_cells() -> None:
    names = [f"class {n}" for n in range(10_000)]
    counts: dict[tuple[str, str | None], int] = {(name, name): 3 for name in names}
    counts |= {(names[0], names[-1]): 2, ("elsewhere", names[1]): 1, (names[5], None): 4}
    found = evaluate_counts(counts, names)
    assert (found.rows, found.right, found.unprepared) == (30_003, 30_000, 4)
    assert len(found.cells) == 10_002
    assert found.per_class[0].recall == pytest.approx(3 / 5)
    assert found.classes[-1] == "elsewhere"
    text = json.dumps(found.to_dict())
    again = Evaluation.from_dict(json.loads(text))
    assert again.to_dict() == found.to_dict()
    assert again.f1_macro == found.f1_macro


def test_a_matrix_of_an_earlier_release_is_read() -> None:
    found = Evaluation.from_dict({"classes": ["a", "b"], "matrix": [[8, 1], [0, 0]]})
    assert (found.rows, found.accuracy) == (9, pytest.approx(8 / 9))
    assert found.confusion.tolist() == [[8, 1], [0, 0]]
    assert Evaluation.from_dict({"classes": ["a"], "matrix": [[0]]}).rows == 0


pairs = st.lists(
    st.tuples(st.sampled_from("abcdx"), st.sampled_from("abcd")), min_size=1, max_size=60
)


@given(pairs)
def test_the_same_as_scikit_learn(items: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth, predicted = [t for t, _ in items], [p for _, p in items]
    found = evaluate(truth, predicted, ("d", "c", "b", "a"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth, predicted, average="macro", zero_division=0
        )
        each = metrics.precision_recall_fscore_support(
            truth, predicted, labels=list(found.classes), zero_division=0
        )
        confusion = metrics.confusion_matrix(truth, predicted, labels=list(found.classes))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert (found.precision_macro, found.recall_macro, found.f1_macro) == pytest.approx(
        (precision, recall, f1)
    )
    np.testing.assert_array_equal(found.confusion, confusion)
    for score, *expected in zip(found.per_class, *each, strict=True):
        assert [score.precision, score.recall, score.f1, score.support] == pytest.approx(expected)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="as many labels as truths, received 1 and 2"):
        evaluate(["a", "b"], ["a"], ("a", "b"))
    with pytest.raises(UnknownName, match="unknown label 'c'"):
        evaluate(["a"], ["c"], ("a", "b"))
    with pytest.raises(InputError, match="each class once"):
        evaluate(["a"], ["a"], ("a", "a"))

from __future__ import annotations

from labelmill.domain.models.metrics import evaluate
from labelmill.domain.models.unseen import unseen_classes


def test_classes_that_were_not_trained_on_are_counted_apart() -> None:
    found = evaluate([*"aabbcc", "z"], [*"aababb", "a"], ("a", "b", "c"))
    assert unseen_classes(evaluate(["a"], ["a"], ("a", "b")), {"a"}) is None
    unseen = unseen_classes(found, {"a", "b"})
    assert unseen is not None
    assert (unseen.names, unseen.rows, unseen.other_rows, unseen.other_wrong) == (
        ("c", "z"),
        3,
        4,
        1,
    )
    assert str(unseen) == (
        "3 of 7 images have classes that it was not trained on (c, z); error without them 0.2500"
    )
    unknown = unseen_classes(found, None)
    assert unknown is not None
    assert unknown.names == ("z",), "the model does not have it"


def test_a_sentence_names_some() -> None:
    names = [f"n{n}" for n in range(9)]
    unseen = unseen_classes(evaluate(names, ["a"] * 9, ("a", "b")), None)
    assert "(n0, n1, n2, n3, n4 and 4 more); there are no others" in str(unseen)

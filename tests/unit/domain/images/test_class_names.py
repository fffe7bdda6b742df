"""Class names that look alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.images.class_names import alike_classes, alike_note, normal_class


@given(st.text())
def test_a_normal_class_is_its_own(name: str) -> None:
    once = normal_class(name)
    assert once is None or normal_class(once) == once


def test_spellings_are_grouped_and_told() -> None:
    names = ["caf\u00e9", "cafe\u0301", " tea", "tea", "milk"]
    assert list(alike_classes(names)) == ["tea", "caf\u00e9"]
    note = alike_note(names)
    assert note is not None
    assert "'cafe\\u0301', 'caf\\xe9'" in note
    assert alike_note(["cat", "Cat", "dog"]) is None


def test_a_name_of_spaces_alone_is_no_class() -> None:
    assert normal_class(" \t") is None

"""Names of model versions as people write them."""

from __future__ import annotations

import pytest

from labelmill.domain.models.reference import ModelReference
from labelmill.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", ModelReference("digits")),
        ("digits:3", ModelReference("digits", 3)),
        ("digits@challenger", ModelReference("digits", None, "challenger")),
        (" digits@production ", ModelReference("digits", None, "production")),
        ("a b:c:12", ModelReference("a b:c", 12)),
        ("digits:v2", ModelReference("digits:v2")),
        ("a@b@c", ModelReference("a@b", None, "c")),
    ],
)
def test_forms(text: str, expected: ModelReference) -> None:
    assert ModelReference.parse(text) == expected


@pytest.mark.parametrize("text", ["", " ", "digits:", "digits@", "@production", ":3"])
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a name, NAME:VERSION or NAME@ALIAS"):
        ModelReference.parse(text)


def test_it_prints_as_it_is_written() -> None:
    for text in ("digits:3", "digits@challenger"):
        assert str(ModelReference.parse(text)) == text
    assert str(ModelReference.parse("digits")) == "digits@production"

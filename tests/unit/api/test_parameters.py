"""Python values as text that the parser of parameters reads back."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelmill.api.parameters import snapshot_of, text_of, texts_of
from labelmill.errors import InputError
from labelmill.sql.parameters import parse_value


@given(
    st.one_of(
        st.text(alphabet=st.characters(exclude_categories=["Cs"])),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.none(),
        st.dates(min_value=date(1583, 1, 1)),
        st.datetimes(min_value=datetime(1583, 1, 2), timezones=st.just(timezone.utc)),
    )
)
def test_values_come_back(given: object) -> None:
    found = parse_value(text_of("x", given))
    assert found == given
    assert type(found) is type(given)


def test_text_that_looks_like_something_else_stays_text() -> None:
    for text in ("7", "null", "true", "date '2026-01-31'", "'quoted'", " padded ", ""):
        assert parse_value(text_of("x", text)) == text


def test_other_kinds() -> None:
    assert parse_value(text_of("x", np.int64(3))) == 3
    assert parse_value(text_of("x", np.float32(0.5))) == 0.5
    assert parse_value(text_of("x", np.bool_(True))) is True
    assert parse_value(text_of("x", Decimal(2**70))) == Decimal(2**70)
    naive = datetime(2026, 1, 31, 12)
    assert parse_value(text_of("x", naive)) == naive.replace(tzinfo=timezone.utc)
    assert texts_of(None) == {}


@pytest.mark.parametrize("wrong", [[1], {"a": 1}, b"bytes", float("nan"), Decimal("0.5"), object()])
def test_what_has_no_literal_is_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="parameter since="):
        texts_of({"since": wrong})


def test_snapshots() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    assert snapshot_of(None) is None
    assert snapshot_of(1769860800000) == 1769860800000
    for same in ("2026-01-31T12:00Z", noon, noon.replace(tzinfo=None),
                 noon.astimezone(timezone(timedelta(hours=2)))):  # fmt: skip
        assert snapshot_of(same) == 1769860800000
    for wrong in (1.5, True, "yesterday"):
        with pytest.raises(InputError):
            snapshot_of(wrong)  # type: ignore[arg-type]

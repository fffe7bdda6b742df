"""The driver's set of image ids."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelmill.pipelines.known_ids import KnownIds

# Zero bytes at the end are what numpy's byte strings are known to lose.
IDS = st.lists(
    st.sampled_from(
        [f"{n:x}".rjust(2, "0") + "00" * 31 for n in range(8)]
        + ["ab" * 32, "00" * 32, "00" * 31 + "01"]
    )
)


@given(first=IDS, then=IDS, asked=IDS)
def test_it_is_a_set(first: list[str], then: list[str], asked: list[str]) -> None:
    known = KnownIds(first)
    known.add(then)
    assert known.among(asked).tolist() == [one in {*first, *then} for one in asked]
    assert len(known) == len({*first, *then})

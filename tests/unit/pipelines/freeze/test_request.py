"""A freeze's request becomes one query."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelmill.errors import InputError, UnknownName
from labelmill.pipelines.freeze.request import FreezeQuery, freeze_query
from labelmill.settings import Settings, load


@pytest.fixture
def named(tmp_path: Path) -> Settings:
    (tmp_path / "young.sql").write_text(
        "-- description: Images since a day.\n-- param since: from when on\n"
        "-- param collection = 'c': the collection\n"
        "select * from images where collection = :collection and ingested_at >= :since\n"
    )
    return load(home=tmp_path, slices=str(tmp_path))


def test_a_query_is_itself(named: Settings) -> None:
    assert freeze_query(named, "select 1", parameters={"a": "1"}) == FreezeQuery(
        "select 1", {"a": "1"}
    )


def test_a_named_slice_brings_its_defaults(named: Settings) -> None:
    found = freeze_query(named, slice="young", parameters={"since": "date '2026-01-31'"})
    assert found.sql.startswith("select * from images")
    assert found.parameters == {"since": "date '2026-01-31'", "collection": "'c'"}
    assert not found.source_splits
    with pytest.raises(InputError, match="needs since"):
        freeze_query(named, slice="young")
    with pytest.raises(UnknownName, match="Did you mean 'young'"):
        freeze_query(named, slice="yung")


def test_a_collection_takes_the_splits_of_its_source(named: Settings) -> None:
    found = freeze_query(named, collection="it's")
    assert found.source_splits
    assert "from truth" in found.sql
    assert r"'it\'s'" in found.sql


def test_exactly_one_is_asked_for(named: Settings) -> None:
    for wrong in ({}, {"sql": "select 1", "slice": "young"}, {"slice": "young", "collection": "c"}):
        with pytest.raises(InputError, match="give one of"):
            freeze_query(named, **wrong)

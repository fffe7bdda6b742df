"""Profiles as rows of a real Kudu: whole whatever their size, and which one `latest` means."""

from __future__ import annotations

import json

import pytest

from labelmill.domain.profiles.deviations import Deviation
from labelmill.domain.profiles.schema import infer
from labelmill.errors import MissingRow
from labelmill.store.client import RowClient
from labelmill.store.records import profiles
from labelmill.store.schema.tables import PROFILES
from tests.unit.domain.profiles.samples import profile

WORSE = [Deviation("error", "classes", "received a, expected b")]


def test_a_profile_of_any_size_comes_back_whole(client: RowClient) -> None:
    large = profile(classes={f"class number {n} — ü": 1 for n in range(9000)})
    profiles.save(client, large, 5, None, [], None)
    rows = list(client.scan(PROFILES))
    assert len(rows) > 3
    assert {row["parts"] for row in rows} == {len(rows)}
    found = profiles.find(client, "digits", large.digest[:8])
    assert found is not None
    assert found[0] == infer(large)
    client.write(PROFILES, [{**rows[0]}], "delete_ignore")
    with pytest.raises(MissingRow, match=r"is incomplete|no profile"):
        profiles.find(client, "digits", large.digest)


def test_latest_is_the_newest_accepted_one(client: RowClient) -> None:
    assert profiles.find(client, "digits", "latest") is None
    good, bad = profile(), profile(images=1001)

    def latest() -> str:
        found = profiles.find(client, "digits", "latest")
        assert found is not None
        return found[1].split()[1]

    profiles.save(client, good, 1, None, [], None)
    profiles.save(client, bad, 2, "digits x", WORSE, False)
    assert latest() == good.digest[:12]
    profiles.save(client, bad, 3, None, [], None)
    assert latest() == good.digest[:12], "looking at it again does not accept it"
    (row,) = client.scan(PROFILES, where={"digest": bad.digest})
    assert (row["against"], row["accepted"], row["snapshot_ms"]) == ("digits x", False, 3)
    assert len(json.loads(str(row["deviations"]))) == len(WORSE), "what the verdict rests on"
    profiles.save(client, bad, 4, None, [], True)
    assert latest() == bad.digest[:12]
    profiles.save(client, good, 5, None, [], None)
    assert latest() == bad.digest[:12], "a look at another does not make it the measure"
    profiles.save(client, good, 6, None, [], True)
    assert latest() == good.digest[:12], "accepted later"
    assert profiles.accepted(client, "digits", good.digest)
    assert not profiles.accepted(client, "digits", "0" * 64)
    assert len(list(client.scan(PROFILES))) == 2


def test_others_are_found_by_collection_and_by_digest(client: RowClient) -> None:
    other = profile(collection="camera-7")
    profiles.save(client, other, 1, None, [], None)
    for named in ("camera-7", other.digest, other.digest[:6]):
        found = profiles.find(client, "digits", named)
        assert found is not None
        assert found[1] == f"camera-7 {other.digest[:12]}"
    with pytest.raises(MissingRow, match=rf"no profile 'camera'.*camera-7 {other.digest[:12]}"):
        profiles.find(client, "digits", "camera")

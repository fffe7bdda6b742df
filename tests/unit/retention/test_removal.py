"""What leaves the catalogue, in memory: what is in use stays, and a kill anywhere harms nothing."""

from __future__ import annotations

from typing import Any

import pytest

from labelmill.domain.retention import Rule
from labelmill.retention.plan import plan_prune
from labelmill.retention.removal import Pruned, prune
from labelmill.store.client import RowClient
from labelmill.store.records import aliases, models, reservations, texts
from labelmill.store.schema.tables import (
    ALIASES,
    COMPARISONS,
    EVALUATIONS,
    LABELS,
    MODEL_CHUNKS,
    MODELS,
    STREAM_BATCHES,
    SWEEPS,
    TEXT_PARTS,
    TRIAL_METRICS,
    TRIALS,
)
from tests.helpers.memory_client import memory_client
from tests.helpers.old_catalogues import NOW, broken, contents, sha_of, write_catalogue

RULE = Rule(older_than_days=30)
KINDS = ("sweeps", "micro-batches", "versions")


def run(client: RowClient, rule: Rule = RULE) -> list[Pruned]:
    return list(prune(client, plan_prune(client, rule, NOW, KINDS), rule))


def filled() -> RowClient:
    client = memory_client()
    write_catalogue(client)
    return client


def numbers(client: RowClient) -> list[object]:
    return sorted(row["version"] for row in client.scan(MODELS))  # type: ignore[type-var]


def test_long_texts_leave_with_the_rows_that_refer_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = filled()
    text_of = {version: f"query {version} " * 5_000 for version in (1, 2, 3)}
    for version, text in text_of.items():
        row = {"model": "m", "version": version, "slice_digest": "long", "slice": text}
        texts.write(client, EVALUATIONS, [row])
    assert "2 long texts that no row refers to" in {one.what for one in run(client)}
    (kept,) = texts.read(client, EVALUATIONS, ["version", "slice"], {"slice_digest": "long"})
    assert kept == {"version": 2, "slice": text_of[2]}
    assert len({row["sha256"] for row in client.scan(TEXT_PARTS)}) == 1

    # What a killed run has left is in the plan, though nothing else is.
    client.write(
        EVALUATIONS, [{"model": "m", "version": 2, "slice_digest": "long"}], "delete_ignore"
    )
    left = {str(row["sha256"]) for row in client.scan(TEXT_PARTS)}
    plan = plan_prune(client, RULE, NOW, KINDS)
    assert (set(plan.texts), plan.versions.remove) == (left, ())
    assert plan_prune(client, Rule(30, name="m"), NOW, KINDS).texts == ()
    # A row that is written while its text is being removed keeps it.
    found = iter([set(), set(), left])
    monkeypatch.setattr(texts, "referenced", lambda client: next(found))
    assert not [one for one in run(client) if "texts" in one.what]
    assert len(list(client.scan(TEXT_PARTS))) == 2


def test_what_is_old_and_not_in_use_leaves() -> None:
    client = filled()
    plan = plan_prune(client, RULE, NOW, KINDS)
    assert [one.version for one in plan.versions.remove] == [1, 3, 7, 8]
    assert {one.version: one.used_by for one in plan.versions.spared} == {
        2: ("version 4, which was trained from it",),
        4: ("alias production",),
        5: ("stream q",),
        6: ("running sweep live",),
    }
    assert plan.labels == {("m", v): 2 for v in (1, 3, 7, 8)} | {("gone", 1): 2}
    assert [one.name for one in plan.sweeps] == ["killed"]
    assert plan.chunks == (sha_of("left"),)
    before = contents(client)
    assert contents(client) == before, "planning changes nothing"

    said = run(client)
    assert all(one.removed for one in said)
    assert "its chunks stay: another version has the same artifact" in {one.note for one in said}
    assert numbers(client) == [2, 4, 5, 6, 9]
    assert broken(client) == []
    for table in (EVALUATIONS, LABELS):
        assert {row["version"] for row in client.scan(table)} == {2, 4, 5, 6, 9}
    assert {row["sha256"] for row in client.scan(MODEL_CHUNKS)} == {
        sha_of(f"m{version}") for version in (2, 4, 5, 6, 9)
    }
    assert [(row["version"], row["serving"]) for row in client.scan(COMPARISONS)] == [(9, 4)]
    assert sorted(row["batch_id"] for row in client.scan(STREAM_BATCHES)) == list(range(150, 250))  # type: ignore[type-var]
    states = {row["trial_id"]: row["state"] for row in client.scan(TRIALS)}
    assert states == {"f": "failed"} | {
        f"t{v}": "dropped" if v in (1, 3, 7, 8) else "done" for v in range(1, 10)
    }
    assert {row["trial_id"] for row in client.scan(TRIAL_METRICS)} == {
        f"t{v}" for v in (2, 4, 5, 6, 9)
    }
    assert {row["name"]: row["state"] for row in client.scan(SWEEPS)} == {
        "live": "running", "killed": "abandoned",
    }  # fmt: skip
    assert run(client) == [], "a second run finds nothing"


def test_a_publish_that_was_killed_has_written_any_of_its_chunks() -> None:
    client = filled()
    some = {"sha256": sha_of("some"), "chunk": 3, "data": b"x", "data_sha256": "0"}
    client.write(MODEL_CHUNKS, [some])
    assert set(plan_prune(client, RULE, NOW, KINDS).chunks) == {sha_of("left"), sha_of("some")}
    run(client)
    assert not {sha_of("left"), sha_of("some")} & {r["sha256"] for r in client.scan(MODEL_CHUNKS)}


@pytest.mark.parametrize(
    ("rule", "leave"),
    [
        (Rule(keep=2), [1, 3, 7]),
        (Rule(keep=0), [1, 3, 7, 8, 9]),
        (Rule(keep=7, older_than_days=30), [1]),
        (Rule(older_than_days=90), []),
        (Rule(older_than_days=0, name="other"), []),
        (Rule(older_than_days=0, force=True), [1, 3, 7, 8, 9]),
    ],
)
def test_the_rule_counts_versions_by_model(rule: Rule, leave: list[int]) -> None:
    plan = plan_prune(filled(), rule, NOW, KINDS)
    assert [one.version for one in plan.versions.remove] == leave


def test_kinds_that_are_not_chosen_stay_and_keep_what_they_refer_to() -> None:
    plan = plan_prune(filled(), RULE, NOW, ("versions",))
    assert (plan.sweeps, plan.batches) == ((), ())
    # Micro-batches 0 to 149 stay, and with them the version that labelled them.
    assert [one.version for one in plan.versions.remove] == [1, 7, 8]


def test_a_number_is_not_given_out_again() -> None:
    client = filled()
    client.write(ALIASES, [{"model": "m", "alias": "production"}], "delete_ignore")
    assert models.next_version(client, "m") == 10
    run(client, Rule(older_than_days=0))
    assert numbers(client) == [5, 6]
    assert models.next_version(client, "m") == 10
    assert reservations.reserve(client, "m", "another", 3) == 10


class _Killed(BaseException):
    """In place of SIGKILL."""


class _Mortal:
    """Ends the process, as it were, at its n-th write."""

    def __init__(self, client: RowClient, writes: int) -> None:
        self._client, self._left = client, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def write(self, *arguments: Any) -> int:
        if not self._left:
            raise _Killed
        self._left -= 1
        return self._client.write(*arguments)


def test_killed_between_any_two_writes_it_can_be_run_again() -> None:
    whole = filled()
    run(whole)
    expected = contents(whole)
    for writes in range(1_000):
        client = filled()
        try:
            run(_Mortal(client, writes))  # type: ignore[arg-type]
        except _Killed:
            assert broken(client) == [], f"killed at write {writes}"
            run(client)
            assert contents(client) == expected, f"killed at write {writes}, then run again"
        else:
            break
    assert writes > 20


class _Meanwhile:
    """Does something just before the row of a version is deleted."""

    def __init__(self, client: RowClient, version: int, what: Any) -> None:
        self._client, self._version, self._what = client, version, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def write(self, table: Any, rows: Any, operation: Any = "upsert") -> int:
        if table is MODELS and operation == "delete_ignore" and rows[0]["version"] == self._version:
            self._what()
        return self._client.write(table, rows, operation)


def test_an_alias_that_moves_meanwhile_keeps_its_version() -> None:
    client = filled()
    plan = plan_prune(client, RULE, NOW, KINDS)
    aliases.move(client, "m", "challenger", 7)
    moved = _Meanwhile(client, 1, lambda: aliases.move(client, "m", "archive", 1))
    said = {one.what: one for one in prune(moved, plan, RULE)}  # type: ignore[arg-type]
    assert said["version 7 of m"] == Pruned("version 7 of m", False, "now in use")
    assert said["version 1 of m"] == Pruned("version 1 of m", False, "an alias names it by now")
    assert numbers(client) == [1, 2, 4, 5, 6, 7, 9]
    assert broken(client) == []
    assert {row["version"] for row in client.scan(EVALUATIONS)} == {1, 2, 4, 5, 6, 7, 9}


def test_a_sweep_that_runs_again_is_not_abandoned() -> None:
    client = filled()
    plan = plan_prune(client, RULE, NOW, KINDS)
    [row] = client.scan(SWEEPS, where={"name": "killed"})
    client.write(SWEEPS, [{**row, "created_at": NOW}])
    said = {one.what: one for one in prune(client, plan, RULE)}
    assert said["sweep killed"] == Pruned("sweep killed", False, "it runs again")
    assert {row["state"] for row in client.scan(SWEEPS)} == {"running"}

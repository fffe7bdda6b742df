"""Which versions are evaluated, and how their sweeps rank them."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from labelmill.errors import InputError, MissingRow
from labelmill.pipelines.evaluate.candidates import Candidate, select_candidates
from labelmill.store.client import RowClient
from labelmill.store.records import models
from labelmill.store.schema.tables import SWEEPS, TRIALS
from tests.helpers.memory_client import memory_client
from tests.helpers.small_models import small_artifact

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def client() -> RowClient:
    """An older sweep (accuracy) with versions 1 to 3, a newer one (loss) with 4 and 5, and 6."""
    found = memory_client()
    for version in range(1, 7):
        models.publish(found, "m", version, small_artifact(version), "digest", None)
    for sweep, first, goal, metrics in (
        ("old", 1, "maximize", [0.7, 0.9, 0.8]),
        ("new", 4, "minimize", [0.5, 0.4]),
    ):
        plan = json.dumps({"objective": {"metric": "x", "goal": goal}})
        found.write(
            SWEEPS, [{"sweep_id": sweep, "model": "m", "plan": plan, "first_version": first}]
        )
        for number, metric in enumerate(metrics):
            write_trial(found, sweep, first + number, metric)
    return found


def write_trial(
    client: RowClient, sweep: str, version: int, metric: float | None, state: str = "done"
) -> None:
    row = {"sweep_id": sweep, "trial_id": f"t{version}", "number": version, "state": state}
    client.write(TRIALS, [{**row, "metric": metric, "model": "m", "version": version}])


def numbers(client: RowClient, chosen: str) -> list[int]:
    return [candidate.version for candidate in select_candidates(client, "m", chosen)]


def test_chosen_by_number_all_or_rank(client: RowClient) -> None:
    assert numbers(client, "all") == [1, 2, 3, 4, 5, 6]
    assert numbers(client, "5,2,2") == [2, 5]
    ranked = sorted(select_candidates(client, "m", "all"), key=lambda c: c.rank)
    assert [c.version for c in ranked] == [5, 4, 2, 3, 1, 6], "newest sweep first, no sweep last"
    assert numbers(client, "best:3") == [2, 4, 5]
    assert numbers(client, "best:99") == [1, 2, 3, 4, 5, 6]


def test_without_a_metric_the_higher_number_is_better() -> None:
    assert sorted([Candidate(1), Candidate(3), Candidate(2)], key=lambda c: c.rank)[0].version == 3


def test_a_failed_trial_or_one_without_a_version_ranks_nothing(client: RowClient) -> None:
    write_trial(client, "new", 6, 0.1, state="failed")
    write_trial(client, "new", 9, 0.1)
    assert numbers(client, "best:1") == [5]


def test_a_sweep_whose_plan_cannot_be_read_maximizes(client: RowClient) -> None:
    client.write(SWEEPS, [{"sweep_id": "new", "plan": "{}"}])
    assert numbers(client, "best:1") == [4]


@pytest.mark.parametrize("chosen", ["newest", "best:", "best:0", "best:-1", "1,,2", "", "1.5"])
def test_what_names_no_versions(client: RowClient, chosen: str) -> None:
    with pytest.raises(InputError, match="expected all, best:3 or 1,2,5"):
        numbers(client, chosen)


def test_versions_that_are_not_there(client: RowClient) -> None:
    with pytest.raises(MissingRow, match="no version 7, 9; versions: 1, 2, 3, 4, 5, 6"):
        numbers(client, "9,1,7")
    with pytest.raises(MissingRow, match=r"train some with jobs/train_models\.py"):
        select_candidates(client, "other", "all")

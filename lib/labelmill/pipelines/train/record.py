"""The rows of a sweep: finished trials are read, new ones are written as they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from labelmill.domain.models.artifact import pack, sha256_of, unpack
from labelmill.domain.models.sweep_plan import Setting, SweepPlan
from labelmill.errors import ArtifactError, MissingRow
from labelmill.pipelines.train.worker import Outcome
from labelmill.store.client import RowClient
from labelmill.store.records import models, reservations, texts
from labelmill.store.schema.rows import checked_rows
from labelmill.store.schema.tables import (
    MODEL_CHUNKS,
    MODELS,
    SWEEPS,
    TRAINING_SETS,
    TRIAL_METRICS,
    TRIALS,
)


@dataclass(frozen=True)
class SweepRecord:
    """One sweep in the store.

    Attributes:
        sweep_id: Hash of plan and training set.
        first_version: Version of trial 0; trial *i* becomes ``first_version + i``.
    """

    client: RowClient
    plan: SweepPlan
    digest: str
    sweep_id: str
    first_version: int

    @classmethod
    def open(cls, client: RowClient, plan: SweepPlan, digest: str) -> SweepRecord:
        """Opens the sweep's row, or writes it and reserves its range of versions.

        Whatever may be refused is checked before versions are reserved: they are reserved for good.
        """
        for table in (TRAINING_SETS, SWEEPS, TRIALS, TRIAL_METRICS, MODELS, MODEL_CHUNKS):
            client.ensure(table)
        sweep_id = plan.sweep_id(digest)
        found = list(client.scan(SWEEPS, ["first_version"], {"sweep_id": sweep_id}))
        if found:
            record = cls(client, plan, digest, sweep_id, int(str(found[0]["first_version"])))
            # It keeps its training set again, and a prune can tell it from one that was given up.
            record.write_state("running", datetime.now(timezone.utc))
            return record
        now = datetime.now(timezone.utc)
        record = cls(client, plan, digest, sweep_id, 0)
        checked_rows(SWEEPS, [texts.store_parts(client, SWEEPS, record.row("running", now))])
        first = reservations.reserve(client, plan.model, sweep_id, len(plan.settings()))
        record = replace(record, first_version=first)
        record.write_state("running", now)
        return record

    def write_state(self, state: str, created_at: datetime | None = None) -> None:
        """Writes the sweep's row; keeps ``created_at`` of an existing row by default."""
        if created_at is None:
            (row,) = self.client.scan(SWEEPS, ["created_at"], {"sweep_id": self.sweep_id})
            stored = row["created_at"]
            assert isinstance(stored, datetime)
            created_at = stored
        texts.write(self.client, SWEEPS, [self.row(state, created_at)])

    def row(self, state: str, created_at: datetime) -> dict[str, object]:
        """The sweep's row."""
        return {
            "sweep_id": self.sweep_id,
            "name": self.plan.name,
            "model": self.plan.model,
            "training_set": self.digest,
            "plan": self.plan.to_json(),
            "first_version": self.first_version,
            "trials": len(self.plan.settings()),
            "state": state,
            "created_at": created_at,
        }

    def trials(self) -> dict[str, dict[str, object]]:
        """Rows of the trials that have ended, by trial id."""
        rows = self.client.scan(TRIALS, where={"sweep_id": self.sweep_id})
        return {str(row["trial_id"]): row for row in rows}

    def is_complete(self, version: int) -> bool:
        """Whether the version is stored completely: its header and every chunk."""
        try:
            models.load(self.client, self.plan.model, version)
        except (MissingRow, ArtifactError):
            return False
        return True

    def write(self, setting: Setting, outcome: Outcome) -> dict[str, object]:
        """Writes the result of a trial: model, metrics, and the trial's row last.

        The driver writes all of it: executors need no Kudu connection, and a trial that has a row
        is complete. Each write may be repeated.

        Returns:
            The trial's row.
        """
        key = {"sweep_id": self.sweep_id, "trial_id": setting.trial_id}
        version = self.first_version + setting.number
        error = outcome.error
        if outcome.artifact is not None:
            error = self._publish(setting, version, outcome.artifact)
        done = outcome.artifact is not None and not error
        self._write_history(key, outcome.history)
        row: dict[str, object] = {
            **key,
            "number": setting.number,
            "setting": setting.to_json(),
            "state": "done" if done else "failed",
            "metric": outcome.history[-1].get(self.plan.metric) if done else None,
            "model": self.plan.model,
            "version": version if done else None,
            "error": error or None,
            "host": outcome.host or None,
            "seconds": outcome.seconds,
            "finished_at": datetime.now(timezone.utc),
        }
        self.client.write(TRIALS, [row])
        return row

    def _write_history(
        self, key: Mapping[str, object], history: Sequence[Mapping[str, float]]
    ) -> None:
        """Writes the metrics of each epoch, and removes those of later epochs of an earlier attempt."""
        rows: list[dict[str, object]] = [
            {**key, "step": step, "metric": name, "value": value}
            for step, metrics in enumerate(history, 1)
            for name, value in metrics.items()
        ]
        stored = list(self.client.scan(TRIAL_METRICS, TRIAL_METRICS.key, key))
        late = [row for row in stored if int(str(row["step"])) > len(history)]
        self.client.write(TRIAL_METRICS, late, "delete_ignore")
        self.client.write(TRIAL_METRICS, rows)

    def _publish(self, setting: Setting, version: int, data: bytes) -> str:
        """Stores the model, or keeps what an interrupted run has stored.

        Returns:
            The reason why the version does not hold this trial's model; empty when it does.
        """
        artifact, model = unpack(data), self.plan.model
        stored = models.header_of(self.client, model, version)
        if stored is None or stored["sha256"] == sha256_of(pack(artifact)):
            models.publish(self.client, model, version, artifact, self.digest, setting.trial_id)
            return ""
        # Training gives the same bytes again on one machine, but not on every machine.
        if (stored["trial_id"], stored["training_set"]) != (setting.trial_id, self.digest):
            return f"version {version} of model {model!r} belongs to another trial; versions are immutable"
        if self.is_complete(version):
            return ""
        return (
            f"version {version} of model {model!r} is damaged, and training gave other bytes than "
            "were stored, on this machine or with these libraries; versions are immutable. Run the "
            "sweep where it ran before, or change its seed or name to get new versions"
        )

"""Training sets, sweeps and their trials."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import key
from labelmill.store.schema.types import Column, Table

TRAINING_SETS = Table(
    "training_sets",
    (
        key("digest", "SHA-256 (hex) over the frozen rows", packed=True),
        Column("name", "string", "name given when it was frozen"),
        Column("sql", "string", "the slice's query", packed=True, long=True),
        Column("snapshot_ms", "int64", "Kudu snapshot, milliseconds since 1970 UTC"),
        Column("location", "string", "folder or URI of the files", packed=True),
        Column(
            "classes", "string", "JSON list, in the order of class indices", packed=True, long=True
        ),
        Column("rows", "int64", "number of rows"),
        Column("histogram", "string", "JSON: split → class → rows", packed=True, long=True),
        Column("created_at", "timestamp", "when"),
    ),
    "slices frozen to files",
)

SWEEPS = Table(
    "sweeps",
    (
        key("sweep_id", "hash of the settings and the training set's digest"),
        Column("name", "string", "name in the sweep file"),
        Column("model", "string", "model whose versions the trials become"),
        Column("training_set", "string", "digest", packed=True),
        Column("plan", "string", "JSON: the sweep file as read", packed=True, long=True),
        Column("first_version", "int32", "version of trial 0; trial i becomes first_version + i"),
        Column("trials", "int32", "number of trials"),
        Column("state", "string", "running, done, abandoned"),
        Column("created_at", "timestamp", "when it was begun, or last begun again"),
    ),
    "parameter variations",
)

VERSION_RESERVATIONS = Table(
    "version_reservations",
    (
        key("model", "model name"),
        key("number", "0, 1, 2 … without gaps: inserting a number twice is refused", "int32"),
        Column(
            "sweep_id",
            "string",
            "sweep that reserved the versions; retired: versions that were removed",
        ),
        Column("first_version", "int32", "first version reserved"),
        Column("versions", "int32", "how many"),
        Column("reserved_at", "timestamp", "when"),
    ),
    "versions that sweeps have reserved",
)

TRIALS = Table(
    "trials",
    (
        key("sweep_id", "sweep"),
        key("trial_id", "hash of the setting"),
        Column("number", "int32", "0, 1, 2 … in the order of the sweep file"),
        Column("setting", "string", "JSON: family and parameters", packed=True),
        Column("state", "string", "done, failed, dropped (its version was removed)"),
        Column("metric", "double", "the sweep's objective at the end", nullable=True),
        Column("model", "string", "model name"),
        Column("version", "int32", "version, when done", nullable=True),
        Column("error", "string", "what went wrong, when failed", nullable=True, packed=True),
        Column("host", "string", "where it ran", nullable=True),
        Column("seconds", "double", "training time", nullable=True),
        Column("finished_at", "timestamp", "when"),
    ),
    "training runs, one per setting of a sweep",
)

TRIAL_METRICS = Table(
    "trial_metrics",
    (
        key("sweep_id", "sweep"),
        key("trial_id", "trial"),
        key("step", "epoch, from 1", "int32"),
        key("metric", "train_loss, train_accuracy, validation_loss, validation_accuracy"),
        Column("value", "double", "the value"),
    ),
    "metrics per epoch",
)

"""Model versions, the aliases that point to them, and their evaluations."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import key
from labelmill.store.schema.types import Column, Table

MODELS = Table(
    "models",
    (
        key("model", "name"),
        key("version", "1, 2, 3 …; immutable", "int32"),
        Column("family", "string", "softmax, mlp"),
        Column("parameters", "string", "JSON: learning parameters", packed=True),
        Column("preparation", "string", "JSON list of steps", packed=True),
        Column(
            "classes", "string", "JSON list, in the order of the outputs", packed=True, long=True
        ),
        Column("training_set", "string", "digest of the training set", packed=True),
        Column("parent", "int32", "version that training continued from", nullable=True),
        Column("trial_id", "string", "trial that it came from", nullable=True),
        Column("sha256", "string", "of the artifact's bytes (hex)", packed=True),
        Column("bytes", "int64", "size of the artifact"),
        Column("chunks", "int32", "number of rows in model_chunks"),
        Column("created_at", "timestamp", "when"),
    ),
    "model versions; this row is written last and makes the version exist",
)

MODEL_CHUNKS = Table(
    "model_chunks",
    (
        key("sha256", "of the whole artifact (hex)", packed=True),
        key("chunk", "0, 1, 2 …", "int32"),
        Column("data", "binary", "at most 32 KiB", packed=True),
        Column(
            "data_sha256",
            "string",
            "of this chunk (hex), so that an altered one can be found",
            packed=True,
        ),
    ),
    "artifact bytes, content-addressed",
    hash_on=("sha256",),
)

ALIASES = Table(
    "aliases",
    (
        key("model", "name"),
        key("alias", "production, challenger, …"),
        Column("version", "int32", "version it points to; changing it is the hot swap"),
        Column("moved_at", "timestamp", "when"),
    ),
    "movable pointers to versions",
)

EVALUATIONS = Table(
    "evaluations",
    (
        key("model", "name"),
        key("version", "version", "int32"),
        key(
            "slice_digest",
            "SHA-256 (hex) of the slice's query and its images and classes, or of the training set and split",
            packed=True,
        ),
        Column("slice", "string", "the query, or training set and split", packed=True, long=True),
        Column("rows", "int64", "images evaluated"),
        Column("accuracy", "double", "0..1"),
        Column("precision_macro", "double", "0..1, unweighted mean over classes"),
        Column("recall_macro", "double", "0..1, unweighted mean over classes"),
        Column("f1_macro", "double", "0..1, unweighted mean over classes"),
        Column(
            "per_class",
            "string",
            "JSON list: class, precision, recall, f1, support",
            packed=True,
            long=True,
        ),
        Column(
            "confusion",
            "string",
            "JSON: classes; cells [truth, predicted, images], those that are not 0, as positions in "
            "classes; unprepared. Rows of releases before 0.2 have matrix[truth][predicted]",
            packed=True,
            long=True,
        ),
        Column("max_error", "double", "acceptable error, stated in advance", nullable=True),
        Column("accepted", "bool", "the verdict", nullable=True),
        Column("reasons", "string", "JSON list of sentences", packed=True, long=True),
        Column("evaluated_at", "timestamp", "when"),
    ),
    "evaluations of model versions on slices",
)

COMPARISONS = Table(
    "comparisons",
    (
        key("model", "name"),
        key("version", "version that was to be promoted", "int32"),
        key("serving", "version that the alias pointed to", "int32"),
        key("slice_digest", "SHA-256 (hex) of the slice, as in evaluations", packed=True),
        Column("both_right", "int64", "images that both have right"),
        Column("only_right", "int64", "images that only `version` has right"),
        Column("only_serving_right", "int64", "images that only `serving` has right"),
        Column("both_wrong", "int64", "images that both have wrong"),
        Column("compared_at", "timestamp", "when"),
    ),
    "versions compared with the one that served, image by image on the same slice",
)

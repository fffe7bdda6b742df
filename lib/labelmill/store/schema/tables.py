"""Every table, declared once: columns, key, partitioning, encoding, comment.

Tables are created from here (`store.client`), registered as SQL views from here (`store.spark`)
and documented from here (`docs/reference/tables.md`).
"""

from __future__ import annotations

from labelmill.errors import UnknownName
from labelmill.store.schema.types import Column, Table, Type


def _key(name: str, comment: str, type: Type = "string", packed: bool = False) -> Column:
    return Column(name, type, comment, key=True, packed=packed)


_COLLECTION = _key("collection", "name of the heap of images")
_IMAGE_ID = _key("image_id", "SHA-256 (hex) of the source file's bytes", packed=True)

SCHEMA_VERSIONS = Table(
    "schema_versions",
    (
        _key("table_name", "a table of this list, without prefix"),
        Column("version", "int32", "schema version the table was created with"),
        Column("created_at", "timestamp", "when the table was created"),
    ),
    "which schema version each table was created with",
)

IMAGES = Table(
    "images",
    (
        _COLLECTION,
        _IMAGE_ID,
        Column("uri", "string", "path of the file below the ingested root", packed=True),
        Column(
            "split", "string", "train, validation or test when the source says so", nullable=True
        ),
        Column("width", "int32", "pixels"),
        Column("height", "int32", "pixels"),
        Column("channels", "int32", "1 grey, 2 grey+alpha, 3 RGB, 4 RGBA"),
        Column("dtype", "string", "numpy dtype of the array: uint8 or uint16 (little-endian)"),
        Column(
            "pixels",
            "binary",
            "array bytes, shape (height, width, channels), C order; null: in image_chunks",
            nullable=True,
        ),
        Column(
            "thumbnail",
            "binary",
            "PNG, at most 32 pixels wide and high",
            nullable=True,
            packed=True,
        ),
        Column("mean", "float", "mean pixel, 0..1 of the dtype's range"),
        Column("std", "float", "standard deviation, same unit"),
        Column("ink", "float", "share of pixels above half of the range"),
        Column("bytes", "int64", "size of the source file"),
        Column(
            "attributes",
            "string",
            "JSON object of anything else that is known",
            nullable=True,
            packed=True,
        ),
        Column(
            "source_time", "timestamp", "when the image was made, as its source says", nullable=True
        ),
        Column("ingested_at", "timestamp", "when the row was first written"),
    ),
    "decoded images",
    hash_on=("image_id",),
)

IMAGE_CHUNKS = Table(
    "image_chunks",
    (
        _COLLECTION,
        _IMAGE_ID,
        _key("chunk", "0, 1, 2 …", "int32"),
        Column("data", "binary", "at most 32 KiB of the array bytes"),
    ),
    "pixels of images above Kudu's cell limit",
    hash_on=("image_id",),
)

ANNOTATIONS = Table(
    "annotations",
    (
        _COLLECTION,
        _IMAGE_ID,
        _key(
            "source",
            "who says so: folder/CLASS, name/…, manifest/…, idx/…, message/CLASS for imports, person/NAME for people",
        ),
        Column("class", "string", "the class"),
        Column(
            "uri",
            "string",
            "the file that was imported, or where the person worked",
            nullable=True,
            packed=True,
        ),
        Column("annotated_at", "timestamp", "when"),
    ),
    "truth: classes given by people or imported files",
    hash_on=("image_id",),
)

LABELS = Table(
    "labels",
    (
        _COLLECTION,
        _IMAGE_ID,
        _key("model", "model name"),
        _key("version", "model version", "int32"),
        Column("class", "string", "most probable class"),
        Column("probability", "float", "of that class, 0..1"),
        Column(
            "probabilities", "binary", "float32 little-endian, one per class in the model's order"
        ),
        Column("entropy", "float", "of the probabilities, in nats"),
        Column("decision", "string", "accepted, or review below the confidence bound"),
        Column("query", "string", "stream that wrote the row; empty for batch prediction"),
        Column("batch_id", "int64", "micro-batch that wrote the row", nullable=True),
        Column("labelled_at", "timestamp", "when"),
    ),
    "classes given by model versions",
    hash_on=("image_id",),
)

RECORDS = Table(
    "records",
    (
        _COLLECTION,
        _key("record_id", "names the row within its collection", packed=True),
        Column(
            "split", "string", "train, validation or test when the source says so", nullable=True
        ),
        Column("class", "string", "the class when the source says so", nullable=True),
        Column(
            "features", "string", "JSON object: name → number, text or truth value", packed=True
        ),
        Column(
            "source_time",
            "timestamp",
            "when the record was made, as its source says",
            nullable=True,
        ),
        Column("ingested_at", "timestamp", "when the row was first written"),
    ),
    "tabular rows, next to images",
    hash_on=("record_id",),
)

QUARANTINE = Table(
    "quarantine",
    (
        _COLLECTION,
        _key("uri", "path of the file below the ingested root", packed=True),
        Column("reason", "string", "short stable code"),
        Column("message", "string", "what was found and what was expected", packed=True),
        Column("sha256", "string", "of the file's bytes (hex)", nullable=True, packed=True),
        Column("head", "binary", "first 64 bytes", nullable=True),
        Column("bytes", "int64", "size of the file", nullable=True),
        Column("quarantined_at", "timestamp", "when it was first seen"),
    ),
    "files that could not be ingested and why",
)

TRAINING_SETS = Table(
    "training_sets",
    (
        _key("digest", "SHA-256 (hex) over the frozen rows", packed=True),
        Column("name", "string", "name given by the person who froze it"),
        Column("sql", "string", "the slice's query", packed=True),
        Column("snapshot_ms", "int64", "Kudu snapshot, milliseconds since 1970 UTC"),
        Column("location", "string", "folder or URI of the files", packed=True),
        Column("classes", "string", "JSON list, in the order of class indices", packed=True),
        Column("rows", "int64", "number of rows"),
        Column("histogram", "string", "JSON: split → class → rows", packed=True),
        Column("created_at", "timestamp", "when"),
    ),
    "slices frozen to files",
)

SWEEPS = Table(
    "sweeps",
    (
        _key("sweep_id", "hash of the settings and the training set's digest"),
        Column("name", "string", "name in the sweep file"),
        Column("model", "string", "model whose versions the trials become"),
        Column("training_set", "string", "digest", packed=True),
        Column("plan", "string", "JSON: the sweep file as read", packed=True),
        Column("first_version", "int32", "version of trial 0; trial i becomes first_version + i"),
        Column("trials", "int32", "number of trials"),
        Column("state", "string", "running, done"),
        Column("created_at", "timestamp", "when"),
    ),
    "parameter variations",
)

VERSION_RESERVATIONS = Table(
    "version_reservations",
    (
        _key("model", "model name"),
        _key("number", "0, 1, 2 … without gaps: inserting a number twice is refused", "int32"),
        Column("sweep_id", "string", "sweep that took the versions"),
        Column("first_version", "int32", "first version taken"),
        Column("versions", "int32", "how many"),
        Column("reserved_at", "timestamp", "when"),
    ),
    "versions that sweeps have taken",
)

TRIALS = Table(
    "trials",
    (
        _key("sweep_id", "sweep"),
        _key("trial_id", "hash of the setting"),
        Column("number", "int32", "0, 1, 2 … in the order of the sweep file"),
        Column("setting", "string", "JSON: family and parameters", packed=True),
        Column("state", "string", "done, failed"),
        Column("metric", "double", "the sweep's objective at the end", nullable=True),
        Column("model", "string", "model name"),
        Column("version", "int32", "version, when done", nullable=True),
        Column("error", "string", "what went wrong, when failed", nullable=True, packed=True),
        Column("host", "string", "where it ran", nullable=True),
        Column("seconds", "double", "training time", nullable=True),
        Column("finished_at", "timestamp", "when"),
    ),
    "one training run each",
)

TRIAL_METRICS = Table(
    "trial_metrics",
    (
        _key("sweep_id", "sweep"),
        _key("trial_id", "trial"),
        _key("step", "epoch, from 1", "int32"),
        _key("metric", "train_loss, train_accuracy, validation_loss, validation_accuracy"),
        Column("value", "double", "the value"),
    ),
    "metrics per epoch",
)

MODELS = Table(
    "models",
    (
        _key("model", "name"),
        _key("version", "1, 2, 3 …; immutable", "int32"),
        Column("family", "string", "softmax, mlp"),
        Column("parameters", "string", "JSON: learning parameters", packed=True),
        Column("preparation", "string", "JSON list of steps", packed=True),
        Column("classes", "string", "JSON list, in the order of the outputs", packed=True),
        Column("training_set", "string", "digest of the training set", packed=True),
        Column("parent", "int32", "version it went on from", nullable=True),
        Column("trial_id", "string", "trial it came from", nullable=True),
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
        _key("sha256", "of the whole artifact (hex)", packed=True),
        _key("chunk", "0, 1, 2 …", "int32"),
        Column("data", "binary", "at most 32 KiB", packed=True),
        Column(
            "data_sha256",
            "string",
            "of this chunk (hex), so that an altered one can be named",
            packed=True,
        ),
    ),
    "artifact bytes, content-addressed",
    hash_on=("sha256",),
)

ALIASES = Table(
    "aliases",
    (
        _key("model", "name"),
        _key("alias", "production, challenger, …"),
        Column("version", "int32", "version it points to; changing it is the hot swap"),
        Column("moved_at", "timestamp", "when"),
    ),
    "movable pointers to versions",
)

EVALUATIONS = Table(
    "evaluations",
    (
        _key("model", "name"),
        _key("version", "version", "int32"),
        _key(
            "slice_digest",
            "SHA-256 (hex) of the slice's query and its images and classes, or of the training set and split",
            packed=True,
        ),
        Column("slice", "string", "the query, or training set and split", packed=True),
        Column("rows", "int64", "images measured"),
        Column("accuracy", "double", "0..1"),
        Column("precision_macro", "double", "0..1, unweighted mean over classes"),
        Column("recall_macro", "double", "0..1, unweighted mean over classes"),
        Column("f1_macro", "double", "0..1, unweighted mean over classes"),
        Column(
            "per_class", "string", "JSON list: class, precision, recall, f1, support", packed=True
        ),
        Column("confusion", "string", "JSON: classes and matrix[truth][predicted]", packed=True),
        Column("max_error", "double", "acceptable error, stated before", nullable=True),
        Column("accepted", "bool", "the verdict", nullable=True),
        Column("reasons", "string", "JSON list of sentences", packed=True),
        Column("evaluated_at", "timestamp", "when"),
    ),
    "model versions measured on slices",
)

STREAM_BATCHES = Table(
    "stream_batches",
    (
        _key("query", "name of the stream"),
        _key("batch_id", "micro-batch", "int64"),
        Column("model", "string", "model name"),
        Column("version", "int32", "version pinned for this micro-batch; a replay uses it again"),
        Column("state", "string", "pinned, done"),
        Column("rows", "int64", "images labelled", nullable=True),
        Column("dead", "int64", "messages sent to the dead-letter topic", nullable=True),
        Column("milliseconds", "int64", "time of the micro-batch", nullable=True),
        Column("started_at", "timestamp", "when"),
    ),
    "model version pinned per micro-batch",
)

PROFILES = Table(
    "profiles",
    (
        _COLLECTION,
        _key(
            "digest", "SHA-256 (hex) over the figures: the same rows, the same digest", packed=True
        ),
        _key("part", "0, 1, 2 …; part 0 is written last and makes the profile exist", "int32"),
        Column("parts", "int32", "number of parts; nearly always 1"),
        Column("snapshot_ms", "int64", "Kudu snapshot, milliseconds since 1970 UTC"),
        Column("images", "int64", "images of the collection"),
        Column("classes", "int64", "classes that its images have"),
        Column("without_truth", "int64", "images without a class"),
        Column("exact_duplicates", "int64", "images with the pixels of another one"),
        Column("near_duplicates", "int64", "images that look like another one"),
        Column("leaks", "int64", "held-out images whose pixels are also in another split"),
        Column("near_leaks", "int64", "held-out images that look like one of another split"),
        Column("outliers", "int64", "images far outside, counted once a reason"),
        Column("accepted", "bool", "false: deviates from `against`", nullable=True),
        Column("against", "string", "what it was compared with", nullable=True, packed=True),
        Column("deviations", "string", "JSON list: severity, about, sentence", packed=True),
        Column(
            "profile",
            "string",
            "JSON: the profile and the schema inferred from it, cut into parts",
            packed=True,
        ),
        Column("created_at", "timestamp", "when the collection was last found to be so"),
    ),
    "what a collection held: sizes, classes, brightness, duplicates, outliers",
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        IMAGES, IMAGE_CHUNKS, ANNOTATIONS, LABELS, RECORDS, QUARANTINE, TRAINING_SETS, SWEEPS,
        VERSION_RESERVATIONS, TRIALS, TRIAL_METRICS, MODELS, MODEL_CHUNKS, ALIASES, EVALUATIONS, STREAM_BATCHES, PROFILES,
        SCHEMA_VERSIONS,
    )
}  # fmt: skip


def table(name: str) -> Table:
    """The declaration of the table called ``name``.

    Raises:
        UnknownName: No such table.
    """
    if name not in TABLES:
        raise UnknownName("table", name, TABLES)
    return TABLES[name]


CELL_BYTES = 60_000
"""Pixels above this go to ``image_chunks``: Kudu's cell limit is 65,536 bytes, the rest is room."""


CHUNK_BYTES = 32 << 10
"""Bytes of a row of ``image_chunks``: the store's limits are kind to cells of this size."""

"""Images, their labels, tabular rows, and files that could not be ingested."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import COLLECTION, IMAGE_ID, key
from labelmill.store.schema.types import Column, Table

CELL_BYTES = 60_000
"""Pixels above this go to ``image_chunks``: Kudu's cell limit is 65,536 bytes, less some margin."""

CHUNK_BYTES = 32 << 10
"""Bytes of a row of ``image_chunks``: the store's limits are kind to cells of this size."""

IMAGES = Table(
    "images",
    (
        COLLECTION,
        IMAGE_ID,
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
            "JSON object of anything else the source says",
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
        COLLECTION,
        IMAGE_ID,
        key("chunk", "0, 1, 2 …", "int32"),
        Column("data", "binary", "at most 32 KiB of the array bytes"),
    ),
    "pixels of images above Kudu's cell limit",
    hash_on=("image_id",),
)

ANNOTATIONS = Table(
    "annotations",
    (
        COLLECTION,
        IMAGE_ID,
        key(
            "source",
            "where the class comes from: folder/CLASS, name/…, manifest/…, idx/…, message/CLASS for imports, person/NAME for people",
        ),
        Column("class", "string", "the class"),
        Column(
            "uri",
            "string",
            "the imported file, or where the person worked",
            nullable=True,
            packed=True,
        ),
        Column("annotated_at", "timestamp", "when"),
    ),
    "ground truth: classes given by people or imported files",
    hash_on=("image_id",),
)

ANNOTATION_LOG = Table(
    "annotation_log",
    (
        COLLECTION,
        IMAGE_ID,
        key("source", "person/NAME"),
        key("annotated_at", "when they said so", "timestamp"),
        Column("class", "string", "the class that they gave"),
        Column("why", "string", "the reason, in their words", nullable=True, packed=True),
        Column(
            "uri", "string", "the file and line it was entered from", nullable=True, packed=True
        ),
        Column("entered_at", "timestamp", "when it was entered"),
        Column("undone_at", "timestamp", "when they took it back", nullable=True),
    ),
    "what people have said: every class that they gave and took back; annotations holds their last word",
    hash_on=("image_id",),
)

LABELS = Table(
    "labels",
    (
        COLLECTION,
        IMAGE_ID,
        key("model", "model name"),
        key("version", "model version", "int32"),
        Column("class", "string", "most probable class"),
        Column("probability", "float", "of that class, 0..1"),
        Column(
            "probabilities",
            "binary",
            "float32 little-endian, one per class in the model's order; empty above 15,000 classes",
        ),
        Column("entropy", "float", "of the probabilities, in nats"),
        Column("decision", "string", "accepted, or review below the confidence bound"),
        Column("query", "string", "stream that wrote the row; empty for batch prediction"),
        Column("batch_id", "int64", "micro-batch that wrote the row", nullable=True),
        Column("labelled_at", "timestamp", "when"),
    ),
    "classes predicted by model versions",
    hash_on=("image_id",),
)

RECORDS = Table(
    "records",
    (
        COLLECTION,
        key("record_id", "names the row within its collection", packed=True),
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
        COLLECTION,
        key("uri", "path of the file below the ingested root", packed=True),
        Column("reason", "string", "short stable code"),
        Column("message", "string", "what was found and what was expected", packed=True),
        Column("sha256", "string", "of the file's bytes (hex)", nullable=True, packed=True),
        Column("head", "binary", "first 64 bytes", nullable=True),
        Column("bytes", "int64", "size of the file", nullable=True),
        Column("quarantined_at", "timestamp", "when it was first seen"),
    ),
    "files that could not be ingested, and why",
)

"""Statistics of collections."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import COLLECTION, key
from labelmill.store.schema.types import Column, Table

PROFILES = Table(
    "profiles",
    (
        COLLECTION,
        key("digest", "SHA-256 (hex) over the statistics: equal rows, equal digest", packed=True),
        key("part", "0, 1, 2 …; part 0 is written last and makes the profile exist", "int32"),
        Column("parts", "int32", "number of parts; nearly always 1"),
        Column("snapshot_ms", "int64", "Kudu snapshot, milliseconds since 1970 UTC"),
        Column("images", "int64", "images of the collection"),
        Column("classes", "int64", "classes that its images have"),
        Column("without_truth", "int64", "images without a class"),
        Column("exact_duplicates", "int64", "images with the pixels of another one"),
        Column("near_duplicates", "int64", "images that look like another one"),
        Column("leaks", "int64", "held-out images whose pixels are also in another split"),
        Column("near_leaks", "int64", "held-out images that look like one of another split"),
        Column("outliers", "int64", "outliers, counted once per reason"),
        Column("accepted", "bool", "false: deviates from `against`", nullable=True),
        Column("against", "string", "what it was compared with", nullable=True, packed=True),
        Column(
            "deviations",
            "string",
            "JSON list: severity, about, sentence",
            packed=True,
            long=True,
        ),
        Column(
            "profile",
            "string",
            "JSON: the profile and the schema inferred from it, cut into parts",
            packed=True,
        ),
        Column("created_at", "timestamp", "when the collection was last found to be like this"),
    ),
    "statistics of a collection: sizes, classes, brightness, duplicates, outliers",
)

"""Texts that do not fit a cell."""

from __future__ import annotations

from labelmill.store.schema.tables.keys import key
from labelmill.store.schema.types import Column, Table

TEXT_PARTS = Table(
    "text_parts",
    (
        key("sha256", "of the whole text as UTF-8 (hex)", packed=True),
        key("part", "0, 1, 2 …", "int32"),
        Column("text", "string", "at most 32 KiB of the text", packed=True),
    ),
    "long texts, content-addressed; a cell refers to one as "
    '`{"text_parts": sha256, "parts": …, "bytes": …}`',
    hash_on=("sha256",),
)

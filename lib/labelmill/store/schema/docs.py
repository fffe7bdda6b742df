"""``docs/reference/tables.md`` from the declarations: ``python -m labelmill.store.schema.docs > docs/reference/tables.md``."""

from __future__ import annotations

from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.types import Table

_HEAD = """# Tables

Generated from `lib/labelmill/store/schema/tables/` by `python -m labelmill.store.schema.docs > docs/reference/tables.md`;
a test keeps it in step. Every table is a view of the same name in `bin/labelmill sql`. In Kudu each
carries the table prefix (`LABELMILL_TABLE_PREFIX`, `labelmill_` unless set). Each table's schema
version is recorded in `schema_versions` and compared whenever a table is opened.

Two more views have no table: `truth(collection, image_id, class, source)` is the one true class per
image (see `lib/labelmill/store/schema/truth.py` for the rule), `truth_conflicts(collection, image_id,
classes, sources)` lists images whose imported annotations disagree and that no person has decided.

A column of *any length* holds its text, or, above 32 KiB, a reference to rows of `text_parts`.
"""


def page() -> str:
    """Returns the whole page as Markdown."""
    index = ["| table | holds |", "|---|---|"]
    index += [f"| [`{t.name}`](#{t.name}) | {t.comment} |" for t in TABLES.values()]
    return "\n".join([_HEAD, *index, "", *(_section(t) for t in TABLES.values())])


def _section(table: Table) -> str:
    hashed = f"hashed on {', '.join(f'`{c}`' for c in table.hash_on)}" if table.hash_on else ""
    keys = ", ".join(f"`{c}`" for c in table.key)
    head = f"{table.comment[0].upper()}{table.comment[1:]}. Key: {keys}; {hashed or 'one tablet'}"
    lines = [
        f"## {table.name}",
        "",
        f"{head}; schema version {table.version}.",
        "",
        "| column | type | encoding | holds |",
        "|---|---|---|---|",
    ]
    for c in table.columns:
        kind = f"{c.type}{' **key**' if c.key else ''}{', may be null' if c.nullable else ''}"
        packing = c.encoding if c.compression == "NO_COMPRESSION" else f"{c.encoding}, LZ4"
        text = f"{c.comment}; any length" if c.long else c.comment
        comment = text.replace("|", "\\|").replace("[", "\\[")  # neither a cell nor a link
        lines.append(f"| `{c.name}` | {kind} | {packing} | {comment} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(page(), end="")

"""A session with the catalogue's views over rows made by Spark itself, and a folder that is watched.

The parser, the guard and the analyser are the real ones; what is made up are the tables' rows, so
that thousands of statements can be tried in a minute.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from labelmill.sql import catalogue
from labelmill.sql.guard.check import CheckedQuery, check_query
from labelmill.sql.parameters import bind
from labelmill.store.schema.tables import TABLES
from labelmill.store.schema.truth import VIEWS
from labelmill.store.schema.types import Column

SECRET = "the-canary-sings"

_VALUES = {
    "string": "concat('{name}-', id % 3)",
    "binary": "encode(concat('{name}', id), 'utf-8')",
    "int8": "cast(id as tinyint)",
    "int32": "cast(1 + id % 4 as int)",
    "int64": "id",
    "float": "cast(id / 8.0 as float)",
    "double": "id / 8.0",
    "bool": "id % 2 = 0",
    "timestamp": "timestamp_seconds(1700000000 + 3600 * id)",
}
_NAMED = {
    "image_id": "sha2(cast(id as string), 256)",
    "collection": "'c'",
    "class": "cast(id % 3 as string)",
    "split": "element_at(array('train', 'validation', 'test'), cast(1 + id % 3 as int))",
    "attributes": """'{"camera": "a"}'""",
    "features": """'{"age": 7}'""",
    "histogram": """'{"train": {"a": 1}}'""",
    "reasons": """'["good"]'""",
}


_QUICK = {
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""Eight rows need no compiled code."""


def open_desk(spark: SparkSession, canary: Path) -> Desk:
    """A session beside `spark`, as `catalogue.query` would open it.

    Args:
        spark: The running session.
        canary: An empty folder; a file with `SECRET` is put there.
    """
    (canary / "secret.txt").write_text(SECRET)
    (canary / "x.sh").write_text(f"touch {canary}/effect\n")
    own = spark.newSession()
    for key, value in {**catalogue.LOCKED, **_QUICK}.items():
        own.conf.set(key, value)
    for table in TABLES.values():
        columns = ", ".join(f"{_value(column)} as `{column.name}`" for column in table.columns)
        rows = own.sql(f"select {columns} from range(0, 8, 1, 1)")._jdf
        # Rows that the driver holds: most queries then need no job at all.
        local = own._jsparkSession.createDataFrame(rows.collectAsList(), rows.schema())
        local.createOrReplaceTempView(table.name)
    for name, sql in VIEWS.items():
        own.sql(sql).createOrReplaceTempView(name)
    return Desk(own, canary)


@dataclass(frozen=True)
class Desk:
    """Where statements are tried."""

    session: SparkSession
    canary: Path

    def ask(
        self, sql: str, texts: dict[str, str] | None = None, repeatable: bool = False
    ) -> DataFrame:
        """What `catalogue.query` does, on these views.

        Args:
            sql: The statement; ``{canary}`` stands for the watched folder.
            texts: Parameters; every parameter of the query is 1 when None.
            repeatable: As for a training set.
        """
        checked = self.check(sql, repeatable)
        values = bind(
            checked.parameters, dict.fromkeys(checked.parameters, "1") if texts is None else texts
        )
        return catalogue.answer(self.session, self._placed(sql), checked, values, repeatable)

    def check(self, sql: str, repeatable: bool = False) -> CheckedQuery:
        """Only the guard."""
        return check_query(self.session, self._placed(sql), catalogue.NAMES, repeatable)

    def _placed(self, sql: str) -> str:
        return sql.replace("{canary}", str(self.canary))

    def world(self) -> dict[str, Any]:
        """What an effect would change: files, tables, functions, settings, processes."""
        own = self.session
        return {
            "files": _files(self.canary) | _files(Path("spark-warehouse")),
            "databases": sorted(database.name for database in own.catalog.listDatabases()),
            "tables": sorted((t.name, t.tableType) for t in own.catalog.listTables()),
            "functions": sorted(row["function"] for row in own.sql("show functions").collect()),
            "cached": [t for t in catalogue.NAMES if own.catalog.isCached(t)],
            "settings": {row["key"]: row["value"] for row in own.sql("set").collect()},
            "jars": str(own.sparkContext._jsc.sc().listJars()),
            "added": str(own.sparkContext._jsc.sc().listFiles()),
            "property": own._jvm.java.lang.System.getProperty("labelmill.canary"),
            "processes": _commands(os.getpid()),
        }


def _value(column: Column) -> str:
    return _NAMED.get(column.name) or _VALUES[column.type].replace("{name}", column.name)


def _files(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size, path.read_bytes())
        for path in found
    }


def _commands(root: int) -> list[str]:
    """Programs below a process, Spark's Python workers apart: those come and go with honest work."""
    parents: dict[int, tuple[int, str]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                stat = (place / "stat").read_text()
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            parents[int(place.name)] = (int(stat.rpartition(")")[2].split()[1]), line)
    below, grown = {root}, True
    while grown:
        more = {pid for pid, (parent, _) in parents.items() if parent in below} - below
        below |= more
        grown = bool(more)
    lines = [parents[pid][1] for pid in below if pid in parents and pid != root]
    daemons = ("pyspark.daemon", "labelmill.spark.worker_daemon")
    return sorted(line for line in lines if not any(name in line for name in daemons))

"""The short report at the end of every job: a table for people, JSON for programs.

The JSON file (``--report FILE.json``) has these fields:

``job``         name of the job
``state``       ``done`` or ``failed``
``started_at``  UTC, ISO 8601
``seconds``     wall-clock seconds of the whole job
``results``     object: what the job measured and produced, by name
``tables``      object: name → list of row objects
``notes``       list of sentences for people: what to look at, what was left out and why
``error``       only when failed: the message
``exit_code``   only when failed
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from labelmill.errors import InputError

SHOWN = 100
"""Items of a list or an object, and rows of a table, that people are shown; the JSON file has all."""


class Report:
    """Collects the results of one job.

    Args:
        job: The job's name, for example ``"ingest_images"``.
    """

    def __init__(self, job: str) -> None:
        self.job = job
        self.results: dict[str, Any] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.notes: list[str] = []
        self.exit_code = 0
        self.error: str | None = None
        self._started = time.monotonic()
        self._started_at = datetime.now(timezone.utc)
        self._seconds: float | None = None

    def put(self, name: str, value: Any) -> None:
        """Records one result, which JSON must be able to hold; a later value of the same name wins."""
        self.results[name] = value

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Records rows that share their columns; shown as a table below the results."""
        self.tables[name] = [dict(row) for row in rows]

    def note(self, sentence: str) -> None:
        """Records a sentence for people."""
        self.notes.append(sentence)

    def fail(self, message: str, exit_code: int) -> None:
        """Marks the job as failed; the results so far stay."""
        self.error, self.exit_code = message, exit_code

    def close(self) -> None:
        """Ends the measurement of the job's duration; later calls do nothing."""
        if self._seconds is None:
            self._seconds = time.monotonic() - self._started

    @property
    def seconds(self) -> float:
        """Wall-clock seconds from the start to ``close()``, or to now."""
        return time.monotonic() - self._started if self._seconds is None else self._seconds

    def to_json(self) -> dict[str, Any]:
        """Returns the report with the fields listed at the top of this module."""
        fields: dict[str, Any] = {
            "job": self.job,
            "state": "done" if self.error is None else "failed",
            "started_at": self._started_at.isoformat(timespec="milliseconds"),
            "seconds": round(self.seconds, 3),
            "results": self.results,
            "tables": self.tables,
            "notes": self.notes,
        }
        if self.error is not None:
            fields |= {"error": self.error, "exit_code": self.exit_code}
        return fields

    def write(self, path: str | Path) -> None:
        """Writes the JSON atomically: a reader sees no file or the whole report."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.to_json(), indent=2, default=str) + "\n")
        temporary.replace(target)

    @staticmethod
    def check_path(path: str | Path) -> None:
        """Checks, before the work, that the report can be written after it.

        Raises:
            InputError: The path is a folder, or cannot be written.
        """
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() or not os.access(target.parent, os.W_OK):
                raise InputError(
                    f"--report {str(path)!r} cannot be written; expected a file's path in a folder "
                    "that you may write to"
                )
        except OSError as error:
            raise InputError(
                f"--report {str(path)!r} cannot be written: {error.strerror}"
            ) from None

    def print(self, console: Console) -> None:
        """Shows the report to a person."""
        shown = RichTable(
            show_header=False, title=f"{self.job}  {self.seconds:.1f} s", title_justify="left"
        )
        for name, value in self.results.items():
            shown.add_row(name.replace("_", " "), _text(value))
        console.print(shown)
        for name, rows in self.tables.items():
            if rows:
                console.print(_rich_table(name, rows))
            if len(rows) > SHOWN:
                console.print(f"{_more(len(rows)).strip()}; --report FILE.json writes all rows")
        for sentence in self.notes:
            console.print(f"· {sentence}", markup=False, highlight=False)


def _rich_table(name: str, rows: Sequence[Mapping[str, Any]]) -> RichTable:
    shown = RichTable(title=name.replace("_", " "), title_justify="left")
    for column in rows[0]:
        shown.add_column(column.replace("_", " "))
    for row in rows[:SHOWN]:
        shown.add_row(*(_text(value) for value in row.values()))
    return shown


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "–"


def _more(count: int) -> str:
    return f" and {count - SHOWN:,} more" if count > SHOWN else ""


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        text = _joined(f"{key}: {_text(item)}" for key, item in islice(value.items(), SHOWN))
        text += _more(len(value))
    elif isinstance(value, (list, tuple)):
        text = _joined(map(_text, value[:SHOWN])) + _more(len(value))
    else:
        text = str(value)
    # Names are data: lone surrogates would break the terminal's encoding after all work is done.
    return escape(text.encode("utf-8", "backslashreplace").decode())

"""A flag that would be ignored is refused, before Spark or a server is asked anything."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from labelmill.errors import InputError
from labelmill.settings import Settings
from labelmill.spark.job import Job
from tests.conftest import ROOT

IGNORED: list[tuple[str, dict[str, Any], str]] = [
    ("publish_images", {"topic": "t", "sql": "q", "split": "test"}, "--split is for"),
    ("publish_images", {"topic": "t", "folder": Path("x"), "split": "test"}, "--split is for"),
    ("publish_images", {"topic": "t", "sql": "q", "collection": "c"}, "--collection is for"),
    (
        "publish_images",
        {"topic": "t", "training_set": "s", "collection": "c"},
        "--collection is for",
    ),
    (
        "predict_images",
        {"model": "m", "collection": "c", "version": 1, "alias": "a"},
        "either --version",
    ),
    ("label_stream", {"topic": "t", "model": "m", "idle": 1.0}, "are for --until-drained"),
    ("label_stream", {"topic": "t", "model": "m", "at_least": 0}, "are for --until-drained"),
]


@pytest.mark.parametrize(("job", "flags", "expected"), IGNORED)
def test_what_would_be_ignored_is_refused(job: str, flags: dict[str, Any], expected: str) -> None:
    main = runpy.run_path(str(ROOT / "jobs" / f"{job}.py"))[job]
    with pytest.raises(InputError, match=expected):
        main(Job(job, Settings(), None), **flags)

"""What the demo decides by itself, and how it shows a step."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from labelmill.demo.console import DemoProgress
from labelmill.demo.steps import acceptable_error, collection_name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/digits", "digits"),
        ("/a/digits/", "digits"),
        ("cats and dogs.tar.gz", "cats-and-dogs"),
        ("/a/é.tgz", "images"),
        ("v1.2.tar", "v1.2"),
        ("/", "images"),
    ],
)
def test_a_collection_is_named_by_its_path(path: str, name: str) -> None:
    assert collection_name(Path(path)) == name


def test_the_acceptable_error_is_that_of_the_most_frequent_class() -> None:
    manifest = SimpleNamespace(histogram={"train": {"a": 6, "b": 3, "c": 1}, "test": {"b": 9}})
    found = acceptable_error(SimpleNamespace(manifest=manifest))  # type: ignore[arg-type]
    assert found == pytest.approx(0.4)


def test_a_step_closes_only_when_it_succeeded() -> None:
    out = io.StringIO()
    progress = DemoProgress(Console(file=out, width=100), 2)
    with progress.step("up", "start [servers]") as step:
        step.say("nearly [there]")
        step.done("ready", "log: x")
    with pytest.raises(ValueError, match="broken"), progress.step("ingest", "files"):
        raise ValueError("broken")
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert lines[0] == "1/2  up  start [servers]"
    assert lines[1] == "nearly [there]"
    assert lines[2].startswith("✓ ready  ")
    assert lines[3:] == ["→ log: x", "2/2  ingest  files"]
    assert list(progress.seconds) == ["up"]

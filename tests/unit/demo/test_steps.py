"""What the demo decides by itself, and how it shows a step."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from labelmill.demo.console import DemoProgress
from labelmill.demo.steps import collection_name, guessing_error, versions_to_swap
from labelmill.demo.summary import show_summary
from labelmill.errors import NotAccepted
from labelmill.serving.run_data import Curve, MeasuredVersion, Run, headline_evaluation


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


def test_only_accepted_versions_serve() -> None:
    assert versions_to_swap([4, 2, 1, 3], {3, 2, 1}) == (2, 1), "4 is best, but rejected"
    with pytest.raises(NotAccepted, match=r"1 of 3 versions meet.*--max-error"):
        versions_to_swap([4, 2, 1], {2})


def test_the_screen_names_the_version_that_was_promoted() -> None:
    measured = [
        MeasuredVersion(version, 30, accuracy, accuracy, version != 4, [], "d")
        for version, accuracy in ((4, 0.5), (2, 0.9), (1, 0.8))
    ]
    curves = [
        Curve(version, version, {}, "done", metric, 1.0, None)
        for version, metric in ((4, 0.99), (2, 0.9), (1, 0.8))
    ]
    run = Run(
        "c", "m", "x", "maximize", 9, 9, 0, {"production": 1}, None, curves, measured, [], [], []
    )
    out = io.StringIO()
    progress = DemoProgress(Console(file=out), 1)
    progress.seconds["up"] = 1.0
    show_summary(Console(file=out, width=200), run, 2, progress, Path("x.html"), 2.0)
    assert "version 2: held-out accuracy 0.9000" in out.getvalue()
    shown = headline_evaluation(run)
    assert shown is not None
    assert shown.version == 2, "the page shows the same"


def test_the_acceptable_error_is_that_of_the_most_frequent_class() -> None:
    manifest = SimpleNamespace(histogram={"train": {"a": 6, "b": 3, "c": 1}, "test": {"b": 9}})
    found = guessing_error(SimpleNamespace(manifest=manifest))  # type: ignore[arg-type]
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

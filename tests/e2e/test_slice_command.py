"""``labelmill slice`` as users call it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from labelmill.pipelines.ingest.driver import ingest
from labelmill.settings import Settings
from tests.helpers.image_folders import write_image_folder

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_slices_are_listed_shown_and_drawn(
    labelmill: Command,
    spark: SparkSession,
    settings: Settings,
    tmp_path: Path,
) -> None:
    listed = [json.loads(line) for line in labelmill("slice", "list", "--json").stdout.splitlines()]
    [balanced] = [row for row in listed if row["slice"] == "balanced"]
    assert balanced["parameters"] == ["collection", "[each]", "[seed]"]
    assert "per class" in balanced["description"]

    ingest(spark, settings, str(write_image_folder(tmp_path / "heap")), "c")
    sheet = tmp_path / "out/sheet.html"
    words = ("balanced", "--param", "collection=c", "--param", "each=2", "--limit", "3")
    shown = labelmill("slice", "show", *words, "--sheet", str(sheet))
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.rstrip().endswith(str(sheet))
    assert "first 3 rows" in shown.stderr
    html = sheet.read_text()
    assert html.count("<img ") == 4
    assert "row_number() over (partition by t.class" in html
    assert "--slice balanced --param collection=c --param each=2 --param seed=0" in html

    missing = labelmill("slice", "show", "truth")
    assert missing.returncode == 2
    assert "slice 'truth' needs collection" in missing.stderr
    near = labelmill("slice", "show", "thruth")
    assert near.returncode == 2
    assert "Did you mean 'truth'?" in near.stderr
    empty = labelmill("slice", "show", "truth", "--param", "collection=none", "--sheet", str(sheet))
    assert empty.returncode == 3
    assert "has no rows" in empty.stderr


def test_check_tells_by_its_exit_code(labelmill: Command, tmp_path: Path) -> None:
    folder = tmp_path / "slices"
    folder.mkdir()
    good = "-- description: x\n-- param c: y\nselect collection, image_id, class from truth where collection = :c"
    (folder / "good.sql").write_text(good)
    checked = labelmill("slice", "check", "--json", LABELMILL_SLICES=str(folder))
    assert checked.returncode == 0, checked.stderr
    [row] = [json.loads(line) for line in checked.stdout.splitlines()]
    assert row == {
        "slice": "good",
        "freezes_to": "images with a class",
        "columns": ["collection string", "image_id string", "class string"],
    }
    (folder / "misfit.sql").write_text("-- description: x\nselect clas from truth")
    wrong = labelmill("slice", "check", "--param", "c=7", LABELMILL_SLICES=str(folder))
    assert wrong.returncode == 2
    assert "error: misfit: " in wrong.stderr
    assert "class" in wrong.stderr
    assert "good" in wrong.stdout
    (folder / "refused.sql").write_text("-- description: x\ndrop table images")
    refused = labelmill("slice", "check", LABELMILL_SLICES=str(folder))
    assert refused.returncode == 7
    assert "error: misfit: " in refused.stderr
    assert "error: refused: " in refused.stderr

"""What ``import labelmill`` promises: its names, and that it loads nothing heavy."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

import labelmill

NAMES = [
    "AnnotationResult",
    "Connection",
    "EvaluationResult",
    "FreezeResult",
    "IngestDryRun",
    "IngestResult",
    "KuduBatches",
    "LabelResult",
    "Model",
    "Prediction",
    "Predictions",
    "StreamBatches",
    "SweepResult",
    "TrainingSet",
    "TrialResult",
    "VersionResult",
    "__version__",
    "augment",
    "connect",
    "errors",
    "maps",
]

METHODS = {
    "annotate": ["collection", "corrections", "by", "why", "at", "undo", "new_classes", "dry_run"],
    "close": [],
    "evaluate": [
        "model", "training_set", "split", "sql", "snapshot", "versions", "max_error", "promote", "alias",
        "promote_if",
    ],
    "freeze": [
        "query", "name", "collection", "parameters", "snapshot", "location", "fractions",
        "validation_fraction", "salt", "stratify", "group_by", "source_splits", "balance",
        "limit_per_class", "class_list", "no_target",
    ],
    "ingest": ["source", "collection", "labels", "uri", "label_columns", "normalise_classes", "transpose", "mapping",
               "zip_encoding", "limit", "fail_over", "dry_run"],
    "model": ["reference"],
    "predict": ["model", "collection", "sql", "threshold", "dry_run"],
    "spark": [],
    "sql": ["query", "parameters", "snapshot", "more"],
    "table": ["name", "snapshot"],
    "train": ["sweep", "training_set", "parallel", "retry_failed", "trial_timeout"],
    "training_set": ["named"],
}  # fmt: skip

HEAVY = ["jpype", "keras", "matplotlib", "numpy", "onnxruntime", "pandas", "pyarrow", "pydantic",
         "pyspark", "rich", "tensorflow", "typer", "typing"]  # fmt: skip


def fresh(code: str) -> Any:
    """What a fresh Python prints as JSON."""
    answer = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, 'lib')\n{code}"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(answer.stdout)


def test_the_names_are_frozen() -> None:
    assert labelmill.__all__ == NAMES


def test_an_import_loads_nothing_but_itself() -> None:
    code = (
        "before = set(sys.modules)\nimport labelmill\nadded = sorted(set(sys.modules) - before)\n"
        "import json\nprint(json.dumps(added))"
    )
    assert fresh(code) == ["__future__", "labelmill", "labelmill.version"]


@pytest.mark.parametrize("name", ["errors", "connect", "Connection"])
def test_names_that_need_no_arrays_load_none(name: str) -> None:
    code = (
        f"import labelmill\nlabelmill.{name}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code.replace("import labelmill", "import sys, labelmill", 1)],
        capture_output=True, text=True, check=True, timeout=60, env={"PYTHONPATH": "lib"},
    )  # fmt: skip
    loaded = json.loads(answer.stdout)
    assert not {"pyspark", "tensorflow", "jpype", "pandas", "numpy", "pyarrow"} & set(loaded)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(labelmill, name)
    if name == "__version__":
        assert found.count(".") >= 1
        return
    assert inspect.getdoc(found)
    for module_name in getattr(found, "__all__", []):
        assert inspect.getdoc(getattr(found, module_name)), module_name


def test_the_names_are_listed() -> None:
    listed = {name for name in dir(labelmill) if not name.startswith("__")}
    assert listed == {name for name in NAMES if not name.startswith("__")}


def test_the_maps_are_frozen() -> None:
    assert labelmill.maps.__all__ == ["arrays", "batched", "prepared"]
    assert labelmill.augment.__all__ == ["brightness", "crop", "flip", "noise", "rotate90", "shift"]


def test_a_wrong_name_suggests_the_right_one() -> None:
    with pytest.raises(AttributeError, match="no public name 'conect'; did you mean 'connect'"):
        labelmill.conect  # noqa: B018
    with pytest.raises(ImportError, match="Trainingset"):
        from labelmill import Trainingset  # noqa: F401


def test_private_modules_are_still_modules() -> None:
    from labelmill import settings

    assert settings.__name__ == "labelmill.settings"


def test_the_methods_of_a_connection_are_frozen() -> None:
    found = {}
    for name, member in inspect.getmembers(labelmill.Connection):
        if not name.startswith("_"):
            assert inspect.getdoc(member), name
            function = member.fget if isinstance(member, property) else member
            found[name] = [n for n in inspect.signature(function).parameters if n != "self"]
    assert found == METHODS


def test_the_docstring_says_what_is_private() -> None:
    assert "Everything else in this package is private" in (labelmill.__doc__ or "")

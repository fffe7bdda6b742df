"""Offline and in a stream the same image gets the same decision, also where no bound is given."""

from __future__ import annotations

import dataclasses
import inspect
import runpy

from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
from labelmill.pipelines.label.plan import StreamPlan
from labelmill.pipelines.predict.driver import predict_images
from tests.conftest import ROOT


def test_one_default_bound() -> None:
    bounds = [inspect.signature(predict_images).parameters["bound"].default]
    bounds += [f.default for f in dataclasses.fields(StreamPlan) if f.name == "bound"]
    for job in ("predict_images", "label_stream"):
        function = runpy.run_path(str(ROOT / "jobs" / f"{job}.py"))[job]
        bounds.append(inspect.signature(function).parameters["bound"].default)
    assert bounds == [DEFAULT_THRESHOLD] * 4

"""Offline and in a stream, the same image gets the same decision, also where no threshold is given."""

from __future__ import annotations

import dataclasses
import inspect
import runpy

from labelmill.domain.models.decisions import DEFAULT_THRESHOLD
from labelmill.pipelines.label.plan import StreamPlan
from labelmill.pipelines.predict.driver import predict_images
from tests.conftest import ROOT


def test_one_default_threshold() -> None:
    defaults = [inspect.signature(predict_images).parameters["threshold"].default]
    defaults += [f.default for f in dataclasses.fields(StreamPlan) if f.name == "threshold"]
    for job in ("predict_images", "label_stream"):
        function = runpy.run_path(str(ROOT / "jobs" / f"{job}.py"))[job]
        defaults.append(inspect.signature(function).parameters["threshold"].default)
    assert defaults == [DEFAULT_THRESHOLD] * 4

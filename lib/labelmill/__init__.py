"""labelmill turns collections of images into labels you can trust, on Spark, Kudu and Kafka.

::

    import labelmill

    with labelmill.connect() as mill:
        mill.ingest("digits", collection="digits")
        mill.sql("select class, count(*) images from truth group by class").show()
        frozen = mill.freeze(name="digits", collection="digits")
        sweep = mill.train("conf/sweeps/digits.yaml", frozen)
        mill.evaluate(sweep.model, training_set=frozen, max_error=0.1, promote=True)
        mill.model("digits@production").predict("digits/3/0003.png")

The names in ``__all__`` are the public interface. They are loaded at first use: ``import labelmill``
loads neither Spark nor TensorFlow nor numpy. Everything else in this package is private and may
move, be renamed or go in any release: import from `labelmill`, not from its modules. The exception
is `labelmill.testing.store_contract`, the test suite for authors of row drivers.
"""

from __future__ import annotations

from labelmill.version import __version__

# As type checkers know it; importing typing takes longer than all the rest.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from labelmill import errors
    from labelmill.api import augment, maps
    from labelmill.api.connection import Connection, connect
    from labelmill.api.model import Model
    from labelmill.api.results.annotations import AnnotationResult
    from labelmill.api.results.evaluation import EvaluationResult, VersionResult
    from labelmill.api.results.freeze import FreezeResult
    from labelmill.api.results.ingest import IngestDryRun, IngestResult
    from labelmill.api.results.labels import LabelResult
    from labelmill.api.results.predictions import Prediction, Predictions
    from labelmill.api.results.sweep import SweepResult, TrialResult
    from labelmill.api.results.training_set import TrainingSet
    from labelmill.live.kafka.batches import StreamBatches
    from labelmill.live.kudu.batches import KuduBatches

__all__ = [
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

_MODULES = {
    "errors": "labelmill.errors",
    "augment": "labelmill.api.augment",
    "maps": "labelmill.api.maps",
}
_CLASSES = {
    "AnnotationResult": "labelmill.api.results.annotations",
    "Connection": "labelmill.api.connection",
    "EvaluationResult": "labelmill.api.results.evaluation",
    "FreezeResult": "labelmill.api.results.freeze",
    "IngestDryRun": "labelmill.api.results.ingest",
    "IngestResult": "labelmill.api.results.ingest",
    "KuduBatches": "labelmill.live.kudu.batches",
    "LabelResult": "labelmill.api.results.labels",
    "Model": "labelmill.api.model",
    "Prediction": "labelmill.api.results.predictions",
    "Predictions": "labelmill.api.results.predictions",
    "StreamBatches": "labelmill.live.kafka.batches",
    "SweepResult": "labelmill.api.results.sweep",
    "TrainingSet": "labelmill.api.results.training_set",
    "TrialResult": "labelmill.api.results.sweep",
    "VersionResult": "labelmill.api.results.evaluation",
    "connect": "labelmill.api.connection",
}


def _load(name: str) -> object:
    """Loads a public name at its first use."""
    import importlib

    if name in _MODULES:
        found: object = importlib.import_module(_MODULES[name])
    elif name in _CLASSES:
        found = getattr(importlib.import_module(_CLASSES[name]), name)
    else:
        import difflib

        near = difflib.get_close_matches(name, __all__, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"module 'labelmill' has no public name {name!r}{hint}", name=name)
    globals()[name] = found
    return found


if not TYPE_CHECKING:  # else every name would be right
    __getattr__ = _load


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})

"""A model version as a predictor for arrays and files."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from labelmill.api.results.predictions import Predictions
from labelmill.domain.codecs.pixels import PIXEL_CAP
from labelmill.domain.models.decisions import DEFAULT_THRESHOLD, check_threshold
from labelmill.inference.inputs import read_images

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelmill.pipelines.predict.model_version import LoadedVersion

    Image = np.ndarray[Any, Any] | str | PathLike[str]


class Model:
    """One version of a model, verified when it was loaded. It stays that version when an alias moves.

    Attributes:
        name: The model's name.
        version: The version's number.
        classes: Classes in the order of class indices.

    Example::

        model = mill.model("digits@production")
        model.predict("digits/3/0003.png")
        model.predict(images)  # (N, H, W, C) uint8, or a list of (H, W, C) of any shapes
    """

    def __init__(self, loaded: LoadedVersion, pixel_cap: int = PIXEL_CAP) -> None:
        self.name, self.version = loaded.model, loaded.version
        self.classes = tuple(loaded.predictor.classes)
        self._predictor = loaded.predictor
        self._family = str(loaded.header["family"])
        self._training_set = str(loaded.header["training_set"])
        self._pixel_cap = pixel_cap

    @property
    def family(self) -> str:
        """The family of models, for example ``mlp``."""
        return self._family

    @property
    def training_set(self) -> str:
        """Digest of the training set it learned from."""
        return self._training_set

    def predict(
        self, images: Image | Iterable[Image], threshold: float = DEFAULT_THRESHOLD
    ) -> Predictions:
        """Predicts the classes of images, as the jobs and the stream do: the same bits.

        The model prepares images itself: pass them as they were ingested.

        Args:
            images: One image: an array ``(H, W, C)`` or ``(H, W)``, uint8 or uint16, or the path of
                an image file. Many: an array ``(N, H, W, C)``, or a list of arrays and paths whose
                shapes may differ.
            threshold: Least probability that is accepted, 0..1; below it the decision is ``review``.

        Returns:
            One prediction per image, in the order given; also for one image.

        Raises:
            InputError: No such images, or images that the model's preparation does not accept.
            ImageError: A file that cannot be decoded.
        """
        from labelmill.pipelines.predict.labels import label_columns

        check_threshold(threshold)
        arrays, names = read_images(images, self._pixel_cap)
        labelled = label_columns(self._predictor, arrays, threshold) if arrays else []
        for one in labelled:
            if not isinstance(one, dict):
                raise one
        answered = [one for one in labelled if isinstance(one, dict)]
        rows = [np.frombuffer(one["probabilities"], "<f4") for one in answered]
        return Predictions(
            f"{self.name}:{self.version}",
            self.classes,
            np.array(rows, np.float32).reshape(len(rows), len(self.classes)),
            tuple(one["decision"] for one in answered),
            tuple(names),
            arrays,
        )

    def __repr__(self) -> str:
        return f"<Model {self.name}:{self.version} {self.family}, {len(self.classes):,} classes>"

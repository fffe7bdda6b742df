"""The compiled epoch: many steps of gradient descent in one call of TensorFlow.

``keras.Model.fit`` returns to Python after each step, which takes longer than the step itself for small
networks (8 times, measured). Here the whole epoch is one graph: gather a batch, gradient, update.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from labelmill.learning.families.layers import number
from labelmill.learning.runtime import keras, tensorflow

# Images measured in one call: limits the memory of hidden outputs.
_MEASURED = 4096


class Epochs:
    """A model, its optimiser and its images, ready to run epochs.

    Args:
        model: ``keras.Model`` with layers ``scores`` and ``probabilities``.
        parameters: ``learning_rate``, ``schedule``, ``epochs``, ``batch_size``, ``momentum``,
            ``nesterov``, ``seed``.
        images: float32 ``(N, H, W, C)``, N ≥ 1.
        classes: int64 ``(N,)``.
    """

    def __init__(
        self,
        model: Any,
        parameters: Mapping[str, object],
        images: npt.NDArray[np.float32],
        classes: npt.NDArray[np.int64],
    ) -> None:
        tf, k = tensorflow(), keras()
        self.count = int(number(parameters, "epochs"))
        self._size = min(int(number(parameters, "batch_size")), len(images))
        self._steps = len(images) // self._size
        self._rate = number(parameters, "learning_rate")
        self._cosine = parameters["schedule"] == "cosine"
        self._order = np.random.default_rng(int(number(parameters, "seed")))
        # Loss and penalty are computed from scores: the softmax of large scores has no gradient left.
        self._scored = k.Model(model.inputs, model.get_layer("scores").output, name="scored")
        self._optimiser = k.optimizers.SGD(
            learning_rate=self._rate,
            momentum=number(parameters, "momentum"),
            nesterov=bool(parameters["nesterov"]),
        )
        self._optimiser.build(self._scored.trainable_variables)
        self._images, self._classes = tf.constant(images), tf.constant(classes)
        self._run = tf.function(self._steps_of_one_epoch)
        self._measure = tf.function(self._loss_and_hits, reduce_retracing=True)

    def run(self, epoch: int) -> tuple[float, float]:
        """Learns from every image once, but for the remainder that is not a whole batch.

        Args:
            epoch: Number of the epoch, from 1.

        Returns:
            Mean loss with the penalty, and accuracy, over the epoch's steps.
        """
        tf = tensorflow()
        order = self._order.permutation(len(self._classes))[: self._steps * self._size]
        rates = self._rates(epoch)
        loss, hits = self._run(
            tf.constant(order.reshape(self._steps, self._size)), tf.constant(rates)
        )
        return float(loss) / self._steps, float(hits) / (self._steps * self._size)

    def measure(
        self, images: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]
    ) -> tuple[float, float]:
        """Mean loss without the penalty, and accuracy, on other images."""
        loss, hits = 0.0, 0.0
        for start in range(0, len(images), _MEASURED):
            part = slice(start, start + _MEASURED)
            losses, right = self._measure(images[part], classes[part])
            loss, hits = loss + float(losses), hits + float(right)
        return loss / len(images), hits / len(images)

    def _rates(self, epoch: int) -> npt.NDArray[np.float32]:
        """The learning rate of each step of an epoch."""
        if not self._cosine:
            return np.full(self._steps, self._rate, np.float32)
        done = (epoch - 1) * self._steps + np.arange(self._steps)
        share = done / (self.count * self._steps)
        return (self._rate * 0.5 * (1 + np.cos(math.pi * share))).astype(np.float32)

    def _steps_of_one_epoch(self, order: Any, rates: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        loss, hits = tf.constant(0.0), tf.constant(0.0)
        for step in tf.range(self._steps):
            batch = order[step]
            images, classes = tf.gather(self._images, batch), tf.gather(self._classes, batch)
            with tf.GradientTape() as tape:
                scores = self._scored(images, training=True)
                value = tf.reduce_mean(_cross_entropy(scores, classes))
                if self._scored.losses:
                    value += tf.add_n(self._scored.losses)
            weights = self._scored.trainable_variables
            self._optimiser.learning_rate.assign(rates[step])
            self._optimiser.apply(tape.gradient(value, weights), weights)
            loss += value
            hits += _hits(scores, classes)
        return loss, hits

    def _loss_and_hits(self, images: Any, classes: Any) -> tuple[Any, Any]:
        scores = self._scored(images, training=False)
        return tensorflow().reduce_sum(_cross_entropy(scores, classes)), _hits(scores, classes)


def _cross_entropy(scores: Any, classes: Any) -> Any:
    return tensorflow().nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=scores)


def _hits(scores: Any, classes: Any) -> Any:
    tf = tensorflow()
    return tf.reduce_sum(tf.cast(tf.equal(tf.argmax(scores, axis=1), classes), tf.float32))

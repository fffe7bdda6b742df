"""TensorFlow, imported when it is first used, with settings that make training reproducible."""

from __future__ import annotations

import functools
import os
from typing import Any

from labelmill.errors import InputError


def import_tensorflow() -> Any:
    """The ``tensorflow`` module with the settings of the process, for code that only makes batches.

    Raises:
        InputError: TensorFlow is not installed.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise InputError(
            f"learning needs TensorFlow, which cannot be imported ({error}); "
            "install it with: pip install 'labelmill[train]'"
        ) from None
    return tf


@functools.cache
def tensorflow() -> Any:
    """The ``tensorflow`` module, set to one thread, deterministic kernels and few messages.

    One model trains on one core: one model per executor scales better than one model on all cores,
    and one thread adds numbers in one order.

    Raises:
        InputError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # oneDNN picks its order of additions by what it finds at run time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    tf = import_tensorflow()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        # This process has used TensorFlow already: its threads can no longer be changed.
        pass
    tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")
    return tf


def keras() -> Any:
    """The ``keras`` module on TensorFlow.

    Raises:
        InputError: TensorFlow is not installed.
    """
    return tensorflow().keras

"""TensorFlow, imported once, when something is learned, and set so that bits repeat."""

from __future__ import annotations

import functools
import os
from typing import Any

from labelmill.errors import InputError


def unset_tensorflow() -> Any:
    """The ``tensorflow`` module as the process has it set: for who only makes batches.

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
    """The ``tensorflow`` module: one thread, deterministic kernels, quiet.

    One model trains on one core (one model an executor scales better than one model on all cores),
    and one thread adds numbers in one order.

    Raises:
        InputError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # oneDNN picks its order of additions by what it finds at run time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    tf = unset_tensorflow()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        # Another part of this process has used TensorFlow already: its threads stay as they are.
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

"""What a library must leave alone in a process that is not its own, as values to compare.

Import what the library imports (numpy, TensorFlow, …) before the first state: what an import of
theirs changes is not asked about here.
"""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
import zipimport
from collections.abc import Callable
from typing import Any

State = dict[str, Any]


def process_state() -> State:
    """The settings of this process by name; values compare equal only if nothing was set."""
    state: State = {
        "gc.isenabled": gc.isenabled(),
        "gc.get_threshold": gc.get_threshold(),
        "gc.get_debug": gc.get_debug(),
        "gc.get_freeze_count": gc.get_freeze_count(),
        "gc.callbacks": [one for one in gc.callbacks if not is_jpypes(one)],
        "zipimport finders": {
            path: (type(finder), dict(vars(finder)).get("invalidate_caches"))
            for path, finder in sys.path_importer_cache.items()
            if isinstance(finder, zipimport.zipimporter)
        },
        "sys.path": list(sys.path),
        "sys.meta_path": list(sys.meta_path),
        "sys.path_hooks": list(sys.path_hooks),
        "signal handlers": {n: signal.getsignal(n) for n in sorted(signal.valid_signals())},
        "signal mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "warnings.filters": list(warnings.filters),
        "os.environ": dict(os.environ),
        "working folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": (logging.root.level, logging.root.manager.disable, list(logging.root.handlers)),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.gettrace()),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval()),
        "random": hash(random.getstate()),
    }
    if "numpy" in sys.modules:
        import numpy as np

        kind, keys, *rest = np.random.get_state()
        state["numpy"] = {
            "geterr": np.geterr(),
            "geterrcall": np.geterrcall(),
            "printoptions": np.get_printoptions(),
            "random": hash((kind, bytes(keys), *rest)),
        }
    if "tensorflow" in sys.modules:
        state["tensorflow"] = _tensorflow_state()
    return state


def is_jpypes(callback: Callable[..., object]) -> bool:
    """Whether a callback of the garbage collector is the one that jpype adds when a JVM starts."""
    return getattr(callback, "__self__", None) is sys.modules.get("_jpype", ())


def jpypes_callbacks() -> list[Callable[..., object]]:
    """The callbacks that jpype has added, in order."""
    return [one for one in gc.callbacks if is_jpypes(one)]


def _tensorflow_state() -> State:
    import tensorflow as tf
    from tensorflow.python.eager import context
    from tensorflow.python.framework import config

    threading_of = tf.config.threading
    return {
        "threads": (
            threading_of.get_intra_op_parallelism_threads(),
            threading_of.get_inter_op_parallelism_threads(),
        ),
        "eager": (tf.executing_eagerly(), tf.config.functions_run_eagerly()),
        "deterministic ops": config.is_op_determinism_enabled(),
        "soft placement": tf.config.get_soft_device_placement(),
        "visible devices": tf.config.get_visible_devices(),
        "optimizer": tf.config.optimizer.get_experimental_options(),
        "jit": tf.config.optimizer.get_jit(),
        "seed": context.global_seed(),
        "log level": tf.get_logger().level,
        "dtype policy": tf.keras.config.dtype_policy().name,
        "floatx": tf.keras.config.floatx(),
        "image data format": tf.keras.config.image_data_format(),
    }


def differences(before: State, after: State) -> dict[str, tuple[Any, Any]]:
    """Name → (before, after) of each setting that differs, of groups only the members that do."""
    found = {}
    for name in sorted(before.keys() | after.keys(), key=str):
        was, now = before.get(name), after.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            found |= {f"{name}: {part}": both for part, both in differences(was, now).items()}
        elif was != now:
            found[str(name)] = (was, now)
    return found

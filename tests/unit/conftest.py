"""What unit tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.forks import Forks

AS_LEARNING = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
"""What `labelmill.learning.runtime` imports TensorFlow with."""


@pytest.fixture(scope="session")
def tensorflow_forks() -> Iterator[Forks]:
    """Runs scripts in processes that have imported TensorFlow, and used nothing of it."""
    from tests.helpers.forks import Forks

    # Keras imports these where they are installed, for what no script uses: a quarter of the time.
    without = ("matplotlib", "sklearn")
    with Forks("tensorflow", "keras", env=AS_LEARNING, without=without) as forks:
        yield forks

"""What unit tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.tensorflow_forks import TensorFlowForks


@pytest.fixture(scope="session")
def tensorflow_forks() -> Iterator[TensorFlowForks]:
    """Runs scripts in processes that have imported TensorFlow, and used nothing of it."""
    from tests.helpers.tensorflow_forks import TensorFlowForks

    with TensorFlowForks() as forks:
        yield forks

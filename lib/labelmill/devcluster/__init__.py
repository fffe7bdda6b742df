"""The one-machine Kudu and Kafka: resolve, start, wait, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelmill.devcluster.cluster import DevCluster

__all__ = ["DevCluster"]


def __getattr__(name: str) -> object:
    # Set-up runs `devcluster.resolve` before psutil and pydantic are installed.
    if name == "DevCluster":
        from labelmill.devcluster.cluster import DevCluster

        return DevCluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

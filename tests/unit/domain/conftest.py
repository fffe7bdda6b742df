"""Property tests here run on shared machines: no deadline for one example."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("labelmill", deadline=None)
settings.load_profile("labelmill")

"""A stream is labelled; the version is pinned per micro-batch."""

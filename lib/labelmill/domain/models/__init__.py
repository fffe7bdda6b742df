"""Models: artifact, preparation, settings, metrics and verdicts."""

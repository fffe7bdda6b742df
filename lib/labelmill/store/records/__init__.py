"""Rows with a meaning of their own: models, aliases, micro-batches, profiles."""

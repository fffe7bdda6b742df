"""Rows of one kind each: models, aliases, reservations, micro-batches, profiles; digests of tables."""

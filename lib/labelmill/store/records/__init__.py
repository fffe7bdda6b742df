"""Rows of one kind each: models, aliases, reservations, micro-batches, profiles, long texts; digests of tables."""

"""Spark's parsed plan as plain nodes."""

"""Queries that the store answers instead of Spark."""

"""A slice becomes files that can be ingested again."""

"""A slice at a snapshot becomes a training set."""

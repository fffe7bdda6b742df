"""Blocks of rows, cut into batches, with a state to resume from."""

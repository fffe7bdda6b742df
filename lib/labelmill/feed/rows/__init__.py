"""Rows of a training set in a memory map."""

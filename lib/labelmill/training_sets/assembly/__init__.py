"""Rows of an answer become arrays in the order of the digest, with their splits and pixels."""

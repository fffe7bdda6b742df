"""Kudu's Java client, in this process through jpype."""

"""Versions are measured, judged and promoted."""

"""Measures model versions, judges them and promotes one."""

"""The order of rows and random numbers: pure functions of a seed."""

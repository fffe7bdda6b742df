"""Machine, clock, processes and results: what every benchmark measures with."""

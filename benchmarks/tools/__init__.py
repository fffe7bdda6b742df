"""Tools that measure what a user names, beside the benchmarks that hold claims."""

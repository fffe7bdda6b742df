"""Benchmarks: one file a claim, peers side by side. ``bin/bench list``; see README.md."""

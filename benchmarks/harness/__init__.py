"""What all benchmarks share: timing, memory, machine, results, places, heaps of images."""

"""Ready-made test material for this project and others: store contract, samples, faults."""

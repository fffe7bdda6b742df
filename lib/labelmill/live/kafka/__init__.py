"""Training batches from the labelled messages of a topic."""

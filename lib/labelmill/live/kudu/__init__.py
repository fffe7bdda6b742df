"""Training batches straight from Kudu, by scan tokens."""

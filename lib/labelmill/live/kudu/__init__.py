"""Training batches straight from Kudu's scan tokens."""

"""Training sets as files and as batches: what learns reads from here; no Spark, no store."""

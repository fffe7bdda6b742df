"""Training batches from the labelled messages of a Kafka topic."""

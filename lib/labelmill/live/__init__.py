"""Batches that no file holds: straight from Kudu and from Kafka."""

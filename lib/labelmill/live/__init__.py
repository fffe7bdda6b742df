"""Batches that are not stored in files: straight from Kudu and from Kafka."""

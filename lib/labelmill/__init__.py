"""labelmill: heaps of images into labels that can be trusted, on Spark, Kudu and Kafka."""

__version__ = "0.1.0"

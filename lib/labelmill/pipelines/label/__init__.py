"""Labels a stream of images; the model version is pinned per micro-batch."""

"""Training sets on disk: manifest, columns, digest."""

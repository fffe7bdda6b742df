"""Training sets as things: written, registered, found and pruned. No Spark."""

"""Labels a slice with one model version; how a label is decided is defined here only."""

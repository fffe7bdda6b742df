"""One model version labels a slice; how a label is decided is written here once."""

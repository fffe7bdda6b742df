"""Images and training sets to measure with."""

"""Files of a source become rows of the catalogue, once."""

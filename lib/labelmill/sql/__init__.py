"""One query over the catalogue: checked, read, bound, and answered at a snapshot."""

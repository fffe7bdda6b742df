"""What labelmill is held against."""

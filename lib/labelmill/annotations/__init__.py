"""What people say about images: read from files, checked, written, taken back. No Spark."""

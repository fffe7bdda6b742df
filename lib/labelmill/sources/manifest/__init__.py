"""Images that a table lists: CSV, TSV or Parquet."""

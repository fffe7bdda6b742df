"""Images listed by a table: CSV, TSV or Parquet."""

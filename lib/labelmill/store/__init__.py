"""The only room that knows Kudu: tables, rows in and out, DataFrames in and out."""

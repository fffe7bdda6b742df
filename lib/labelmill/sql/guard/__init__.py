"""What a query may do: Spark's parsed plan, checked against an allowlist."""

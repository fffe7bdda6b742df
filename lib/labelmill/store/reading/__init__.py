"""Scans in parallel, with retries."""

"""Statements that the guard must refuse, queries that it must let through, and a grammar of both."""

"""Kudu's C++ client through kudu-python."""

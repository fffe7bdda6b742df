"""Bytes of image files to arrays and back, one format a module."""

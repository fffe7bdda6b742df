"""Publishes images as messages."""

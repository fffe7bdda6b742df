"""Trains the settings of a sweep, one model per executor task."""

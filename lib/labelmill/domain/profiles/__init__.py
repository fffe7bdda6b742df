"""Profiles of collections, their schemas, and near duplicates."""

"""Images: identity, metadata, labelling rules and paths."""

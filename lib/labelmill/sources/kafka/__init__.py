"""Images in the messages of a topic."""

"""Images become messages."""

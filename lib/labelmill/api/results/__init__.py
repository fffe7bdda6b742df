"""What methods of a connection return, and how a notebook shows it."""

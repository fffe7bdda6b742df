"""What a collection holds and where it deviates."""

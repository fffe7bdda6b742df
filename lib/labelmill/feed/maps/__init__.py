"""Maps over rows: preparation, augmentation, a user's functions."""

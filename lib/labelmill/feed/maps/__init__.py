"""What is done to batches on their way: preparation, augmentation."""

"""What labelmill knows about images, models and decisions; numpy and Pillow only."""

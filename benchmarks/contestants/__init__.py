"""What is raced: our product, and the bare loops it is held against."""

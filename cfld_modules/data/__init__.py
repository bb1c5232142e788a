"""Data sets: DeepFashion and Market-1501 readers, plain folders, and the synthetic mannequins."""

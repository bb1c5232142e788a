"""Data sets: DeepFashion and Market-1501 readers, plain folders, and the writer of rendered people."""

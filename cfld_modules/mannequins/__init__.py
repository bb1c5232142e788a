"""The benchmark with ground truth: procedural people who can be drawn in any pose, and scores that only they allow."""

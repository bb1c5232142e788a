"""Measuring pose transfer: the paper's metrics, and mannequins with ground truth."""

"""Measuring pose transfer: the paper's metrics, and people with ground truth."""

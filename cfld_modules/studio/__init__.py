"""Photographs of drawn people by VTK. Only for training."""

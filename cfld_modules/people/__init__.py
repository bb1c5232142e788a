"""Believable people with exact ground truth: bodies by anny, MakeHuman garments, pictures by VTK. Only for training."""

"""Files of tensors, and the CFLD checkpoints among them."""

"""Key points of people: reading, framing, retargeting, detecting and drawing them."""

"""Believable people: bodies by anny in MakeHuman's garments. Only for training."""

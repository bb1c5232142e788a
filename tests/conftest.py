"""For the whole suite: on a busy machine spinning OpenMP threads cost far more than they bring."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

"""The paper's networks, and the module of them all with its sizes."""

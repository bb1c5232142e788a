"""All targets by name."""

from tests.fuzz import checkpoints, data_sets, key_points, settings

TARGETS = key_points.TARGETS | settings.TARGETS | data_sets.TARGETS | checkpoints.TARGETS

"""Checkpoint files for tests: tiny networks with the published names."""


import torch

from cfld_modules.checkpoints.cfld_checkpoint import Checkpoint
from cfld_modules.networks.config import read_config
from tests import golden


def tiny_checkpoint() -> Checkpoint:
    state = golden.networks_state()
    config = read_config({name: tuple(tensor.shape) for name, tensor in state.items()})
    return Checkpoint(config, dict(state), golden.key_values())


def assert_same(one: Checkpoint, other: Checkpoint, dtype: torch.dtype = torch.float32) -> None:
    assert one.config == other.config
    for ours, theirs in ((one.networks, other.networks), (one.key_values, other.key_values)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name].to(dtype)) for name in ours)

"""Weights for controlnet_aux's body network that make it see dots: the real network code, with a known answer.

A joint is a square whose red tells which joint it is and whose green is full; blue means nothing. The published weights
cannot come with the tests. All but the few weights set here are random.
"""

from pathlib import Path

import numpy as np
import torch
from controlnet_aux.open_pose.model import bodypose_model

JOINTS = 18
DOT = 36  # pixels, in pictures of about 800 x 640; the network sees 184 rows in steps of 8
STANDING = np.array([
    (150, 75), (150, 156), (81, 162), (56, 244), (38, 325), (219, 165), (244, 244), (262, 325), (112, 300), (106, 388),
    (100, 475), (188, 302), (194, 388), (200, 475), (106, 38), (194, 38), (50, 81), (250, 81),
], dtype=float)  # fmt: skip
# (first joint, second joint, channel of the direction's x) as the network was trained; y is the next channel.
LIMB_CHANNELS = (
    (1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24), (1, 8, 0), (8, 9, 2), (9, 10, 4),
    (1, 11, 6), (11, 12, 8), (12, 13, 10), (1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36),
    (2, 16, 18), (5, 17, 26),
)  # fmt: skip
BLUE, GREEN, RED = range(3)  # the network's channel order


def picture(people: list[np.ndarray], width: int, height: int) -> torch.Tensor:
    """People's joints (18, 2) in pixels, NaN where missing -> an IMAGE (1, height, width, 3)."""
    pixels = np.zeros((height, width, 3), np.float32)
    pixels[..., 2] = np.random.default_rng(0).uniform(size=(height, width))
    for person in people:
        for joint, (x, y) in enumerate(person):
            if not np.isnan(x):
                rows = slice(int(y) - DOT // 2, int(y) + DOT // 2)
                pixels[rows, int(x) - DOT // 2 : int(x) + DOT // 2, :2] = (_code(joint) * 256 / 255, 1.0)
    return torch.from_numpy(pixels)[None]


def random_state() -> dict[str, torch.Tensor]:
    """A state dict as the published file has it, of random weights that find a crowd in any picture."""
    torch.manual_seed(0)
    weights = {name.split(".", 1)[1]: tensor for name, tensor in bodypose_model().state_dict().items()}
    for tensor in weights.values():
        torch.nn.init.kaiming_normal_(tensor) if tensor.ndim == 4 else tensor.zero_()
    return weights


def dot_state() -> dict[str, torch.Tensor]:
    """A state dict that sees dots."""
    weights = random_state()

    def connect(layer: str, taps: dict[tuple[int, int], float], biases: dict[int, float] | None = None) -> None:
        weight, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
        weight.zero_()
        bias.zero_()
        middle = weight.shape[-1] // 2
        for (to, source), value in taps.items():
            weight[to, source, middle, middle] = value
        for to, value in (biases or {}).items():
            bias[to] = value

    steps = JOINTS + 2  # ramps from each code on; three of them make the hat of one joint
    ramps = {(step, RED): 1.0 for step in range(steps)} | {(steps, GREEN): 1.0}
    connect("conv1_1", ramps, {step: 0.5 - _code(step - 1) for step in range(steps)} | {steps: 0.5})
    hats = {}
    for joint in range(JOINTS):
        hats |= {(joint, joint): 20.0, (joint, joint + 1): -40.0, (joint, joint + 2): 20.0, (joint, steps): 20.0}
    connect("conv1_2", hats, {joint: -20.0 * 255 / 256 for joint in range(JOINTS)})
    onwards = {(joint, joint): 1.0 for joint in range(JOINTS)}
    for layer in ("2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1", "4_2", "4_3_CPM", "4_4_CPM"):
        connect(f"conv{layer}", onwards)
    connect("Mconv1_stage6_L2", {(joint, 57 + joint): 1.0 for joint in range(JOINTS)})
    for number in range(2, 8):
        connect(f"Mconv{number}_stage6_L2", onwards)
    directions = {}
    for start, end, channel in LIMB_CHANNELS:
        x, y = (STANDING[end] - STANDING[start]) / np.linalg.norm(STANDING[end] - STANDING[start])
        directions |= {channel: float(x), channel + 1: float(y)}
    connect("Mconv7_stage6_L1", {}, directions)
    return weights


def save(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """As the published file is saved, which is from before the zip format."""
    path = folder / "body_pose_model.pth"
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    return path


def _code(joint: int) -> float:
    return (joint + 1) / 20

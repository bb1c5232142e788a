"""The goldens: what the authors' code gives on deterministic parameters, and everything that is made of those.

Parameters and inputs come from a rule (`value`, `normal`) that needs nothing but a name, so that any test can build the
tiny networks, the tiny U-Net and checkpoint files of them. See data/golden/README.md for what is stored.

This file imports nothing of the pack and no diffusers: tests under the host's own Python load it by its path.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

DATA = Path(__file__).parent / "data" / "golden"

Shape = Sequence[int]
State = dict[str, torch.Tensor]

SCALES = {"guidance": 1.7, "down": 2.2, "all": 1.4, "full": 2.6}  # all different, so that no two can be confused
STEPS = 4
TARGET_POSES, SOURCE_POSES = ("side", "front"), ("front", "half")  # of the batch of two

# (y, x) in the 176x256 (width x height) annotation frame; -1 where missing. "half" has points missing by one
# coordinate alone, one in the corner and one on the right edge.
POSES = {
    "front": [[43, 87], [66, 88], [66, 66], [101, 58], [133, 50], [66, 110], [102, 117], [134, 125], [129, 74],
              [186, 73], [239, 70], [129, 103], [187, 106], [240, 109], [39, 83], [39, 92], [42, 76], [42, 98]],
    "side": [[30, 101], [61, 84], [-1, -1], [-1, -1], [-1, -1], [63, 79], [104, 73], [141, 90], [-1, -1],
             [-1, -1], [-1, -1], [138, 82], [197, 86], [251, 79], [-1, -1], [25, 98], [-1, -1], [29, 82]],
    "half": [[51, 60], [99, 71], [101, 33], [170, 15], [231, 30], [98, 109], [168, 120], [224, 98], [223, 49],
             [-1, -1], [-1, -1], [222, 98], [255, 175], [0, 0], [43, 49], [42, 66], [47, -1], [-1, 82]],
}  # fmt: skip


# The rule


def normal(name: str, shape: Shape) -> np.ndarray:
    """Standard normal float32 numbers that depend on the name alone. Inputs are called "input:<label>"."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    numbers = np.random.Generator(np.random.Philox(key=key)).standard_normal(int(np.prod(shape)), dtype=np.float32)
    return numbers.reshape(shape)


def value(name: str, shape: Shape) -> np.ndarray:
    """The parameter of that state-dict name, float32."""
    numbers = normal(name, shape)
    if name.endswith(".bias"):
        return np.float32(0.1) * numbers
    if name.endswith(".weight"):
        if len(shape) == 1:
            return np.float32(1) + np.float32(0.1) * numbers
        return numbers * np.float32(float(np.prod(shape[1:])) ** -0.5)
    return np.float32(0.5) * numbers


def parameters(shapes: Mapping[str, Shape], prefix: str = "") -> State:
    """{name: parameter}; `prefix` goes before the name in the rule alone."""
    return {name: torch.from_numpy(value(prefix + name, shape)) for name, shape in shapes.items()}


def input_tensor(label: str, shape: Shape) -> torch.Tensor:
    """normal("input:<label>", shape) as a tensor."""
    return torch.from_numpy(normal(f"input:{label}", shape))


def as_cond(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 (..., 3, H, W) -> what the source encoder reads, float32 in [-1, 1]."""
    return (pictures.float() / 255.0 - 0.5) / 0.5


def pose_input(drawings: torch.Tensor, centres: torch.Tensor, sigma: float = 6) -> torch.Tensor:
    """The (B, 21, H, W) pose input: drawings (B, 3, H, W) uint8, Gaussian centres (B, 18, 2) as (y, x), -1 missing."""
    batch, _, height, width = drawings.shape
    y, x = np.arange(height)[:, None], np.arange(width)[None]
    maps = np.zeros((batch, centres.shape[1], height, width), np.float32)
    for person in range(batch):
        for joint, (row, column) in enumerate(centres[person].tolist()):
            if row >= 0 and column >= 0:
                maps[person, joint] = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * sigma**2))
    return torch.cat([drawings.float() / 255.0, torch.from_numpy(maps)], 1)


def pose_keypoints(*names: str) -> list[dict]:
    """POSES in the authors' annotation dialect, a frame each."""
    return [
        {"keypoints_y": [y for y, _ in POSES[name]], "keypoints_x": [x for _, x in POSES[name]]} for name in names
    ]


# What is stored


class Golden:
    """The stored outputs: small ones whole, of large ones 4096 elements and five statistics."""

    SAMPLE, STRIDE = 4096, 1000003

    def __init__(self) -> None:
        with safe_open(DATA / "tiny.safetensors", framework="pt") as file:
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}
            self.shapes: dict[str, list[int]] = json.loads(file.metadata()["shapes"])

    def __getitem__(self, name: str) -> torch.Tensor:
        """A tensor that is stored whole."""
        return self.tensors[name]

    def difference(self, name: str, tensor: torch.Tensor) -> float:
        """A lower bound of max |tensor - golden|, which for a tensor stored whole is exactly that; NaN counts as inf.

        Raises:
            ValueError: when the shapes differ.
        """
        if list(tensor.shape) != self.shapes[name]:
            raise ValueError(f"{name} is {self.shapes[name]}, got {list(tensor.shape)}")
        tensor = tensor.detach().double()
        if name in self.tensors:
            differences = [tensor - self.tensors[name]]
        else:
            # By the triangle inequality none of these exceeds max |difference|.
            statistics = self._statistics(tensor) - self.tensors[f"{name}.stats"]
            statistics[-1] /= tensor.numel() ** 0.5
            picked = tensor.flatten()[torch.arange(self.SAMPLE) * self.STRIDE % tensor.numel()]
            differences = [picked - self.tensors[f"{name}.sample"], statistics]
        return max(difference.abs().nan_to_num(torch.inf).max().item() for difference in differences)

    @staticmethod
    def _statistics(tensor: torch.Tensor) -> torch.Tensor:
        """Mean, population deviation, min, max, L2 norm."""
        return torch.stack([tensor.mean(), tensor.std(unbiased=False), tensor.min(), tensor.max(), tensor.norm()])


@lru_cache
def golden() -> Golden:
    return Golden()


@dataclass(frozen=True)
class Keys:
    """The authors' two files of one size ("tiny" or "full"): {name: shape}, and what is known of them.

    networks, unet: parameters of pytorch_model.bin and of pytorch_model_1.bin, whose names begin with "model.".
    buffers: of pytorch_model.bin.
    trained: the names in `unet` that CFLD trains.
    """

    networks: dict[str, Shape]
    buffers: dict[str, Shape]
    unet: dict[str, Shape]
    trained: list[str]
    counts: dict
    fill_check: dict[str, list[float]]


@lru_cache
def keys(size: str) -> Keys:
    stored = json.loads((DATA / f"keys_{size}.json").read_text())
    return Keys(
        stored["pytorch_model.bin"], stored["pytorch_model.bin buffers"], stored["pytorch_model_1.bin"],
        stored["trained in pytorch_model_1.bin"], stored["counts"], stored["fill_check"],
    )


# The tiny networks and files of them


@lru_cache
def networks_state() -> State:
    """State dict of the tiny CFLD under the published names, without buffers."""
    return parameters(keys("tiny").networks)


@lru_cache
def unet_state() -> State:
    """State dict of the tiny U-Net under diffusers' names, CFLD's trained matrices among them."""
    return {name.removeprefix("model."): tensor for name, tensor in parameters(keys("tiny").unet).items()}


def key_values() -> State:
    """The 18 trained matrices of the tiny U-Net, under diffusers' names."""
    return {name.removeprefix("model."): unet_state()[name.removeprefix("model.")] for name in keys("tiny").trained}


def buffers() -> State:
    """The buffers in the authors' first file. Any value serves: they are recomputed, whatever a file holds."""
    return {
        name: torch.zeros(shape, dtype=torch.int64 if name.endswith("_index") else torch.float32)
        for name, shape in keys("tiny").buffers.items()
    }


def write_authors_pair(
    folder: Path, names: tuple[str, str] = ("pytorch_model.bin", "pytorch_model_1.bin"), prefix: str = "",
    unet: State | None = None,
) -> Path:
    """The authors' two files, as accelerate 0.23 saves them.

    prefix: "module." after a run on several GPUs.
    unet: instead of the whole `unet_state`, under the same names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unet = unet_state() if unet is None else unet
    states = networks_state() | buffers(), {f"model.{name}": tensor for name, tensor in unet.items()}
    for name, state in zip(names, states, strict=True):
        torch.save({prefix + key: tensor for key, tensor in state.items()}, folder / name)
    return folder

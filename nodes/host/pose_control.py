"""The pose adapter's maps as a control in the host's sense, and the conditioning that carries it."""

from collections.abc import Callable
from typing import Any

import comfy.conds
import comfy.controlnet
import torch

from ...cfld_modules.networks.pose_adapter import resample_map
from .conditioning import POSE_ROW, Percents, check_batch

INPUT_BLOCKS = 12
POSE_BLOCKS = (2, 5, 8)  # the U-Net's input blocks whose output the pose is added to


def pose_conditioning(
    node: str, positive: list, negative: list, features: tuple[torch.Tensor, ...], strength: float, percents: Percents
) -> tuple[list, list]:
    """Both conditionings with one control object; only the positive rows switch it on."""
    controls: dict[Any, PoseControl] = {}
    poses = torch.arange(1, len(features[0]) + 1)
    # A ControlNet that says so would be given to the negative rows, but only if they had no control of their own.
    first = positive[0][1]
    for_both = first.get("control") if first.get("control_apply_to_uncond") else None

    def carry(name: str, conditioning: list, rows: torch.Tensor) -> list:
        carried = []
        for prompt, options in conditioning:
            previous = options.get("control", for_both)
            if (control := _pose_control(previous)) is None:
                if previous not in controls:
                    controls[previous] = PoseControl(features, strength, percents)
                    controls[previous].set_previous_controlnet(previous)
                options = options | {"control": controls[previous], "control_apply_to_uncond": False}
            elif not control.is_of(features, strength, percents):
                raise ValueError(
                    f"{node}: input '{name}' already carries another pose; connect the conditioning from before it"
                )
            row = options.get("model_conds", {}) | {POSE_ROW: comfy.conds.CONDRegular(rows)}
            carried.append([prompt, options | {"model_conds": row}])
        return carried

    return carry("positive", positive, poses), carry("negative", negative, torch.zeros_like(poses))


def _pose_control(control: comfy.controlnet.ControlBase | None) -> "PoseControl | None":
    while control is not None and not isinstance(control, PoseControl):
        control = control.previous_controlnet
    return control


class PoseControl(comfy.controlnet.ControlBase):
    """The pose adapter's maps as a control: added in the U-Net's down path to the rows that ask for a pose.

    Args:
        features: three maps (N, channels, side, side) for N poses, computed once a pose.
    """

    def __init__(self, features: tuple[torch.Tensor, ...], strength: float, percents: Percents) -> None:
        super().__init__()
        self.features = features
        self.strength = strength
        self.timestep_percent_range = percents
        self.prepared: dict[Any, torch.Tensor] = {}

    def is_of(self, features: tuple[torch.Tensor, ...], strength: float, percents: Percents) -> bool:
        return (self.strength, self.timestep_percent_range) == (strength, percents) and all(
            mine.shape == other.shape and torch.equal(mine, other)
            for mine, other in zip(self.features, features, strict=True)
        )

    def get_control(
        self, x_noisy: torch.Tensor, t: torch.Tensor, cond: dict, batched_number: int, transformer_options: dict
    ) -> dict | None:
        previous = None
        if self.previous_controlnet is not None:
            previous = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options)
        start, end = self.timestep_range
        if POSE_ROW not in cond or t[0] > start or t[0] < end:
            return previous
        check_batch("Pose Conditioning", "poses", len(self.features[0]), len(x_noisy), transformer_options)
        rows = cond[POSE_ROW].to(x_noisy.device)
        additions: list[torch.Tensor | None] = [None] * INPUT_BLOCKS
        for level, block in enumerate(POSE_BLOCKS):
            grid = tuple(-(-side // 2**level) for side in x_noisy.shape[2:])
            additions[block] = self._prepared(level, grid, x_noisy)[rows]
        # The host takes additions off the end, the first block's first.
        return self.control_merge({"input": additions[::-1]}, previous, output_dtype=None)

    def _prepared(self, level: int, grid: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
        """Row 0 is zero, row k + 1 the k-th pose."""
        key = (level, grid, like.device)
        if key not in self.prepared:
            features = resample_map(self.features[level].float(), grid)
            features = torch.cat([torch.zeros_like(features[:1]), features])
            self.prepared[key] = features.to(like.device, self.model_dtype)
        return self.prepared[key]

    def pre_run(self, model: Any, percent_to_timestep_function: Callable[[float], float]) -> None:
        super().pre_run(model, percent_to_timestep_function)
        self.model_dtype = model.get_dtype_inference()

    def cleanup(self) -> None:
        super().cleanup()
        self.prepared.clear()

    def copy(self) -> "PoseControl":
        copied = PoseControl(self.features, self.strength, self.timestep_percent_range)
        self.copy_to(copied)
        return copied

    def deepclone_multigpu(self, load_device: torch.device, autoregister: bool = False) -> "PoseControl":
        cloned = self.copy()
        if autoregister:
            self.multigpu_clones[load_device] = cloned
        return cloned

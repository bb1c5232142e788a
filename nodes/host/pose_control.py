"""The target pose as a control of ComfyUI, like a ControlNet, and the conditioning that has it."""

import copy
import math
from typing import Any

import comfy.conds
import comfy.controlnet
import torch

from .conditioning import KEY, POSE_ROW, Percents, is_within, name_unconditional_rows
from .crops import Crop, Part, add_rows, cut, hint, parts_of_hint
from .unet_call import current_call

POSE_LEVELS = {2: 0, 5: 1, 8: 2}  # the U-Net's input blocks to whose output the pose is added, and the map of each


def pose_conditioning(
    node: str, positive: list, negative: list, features: tuple[torch.Tensor, ...], strength: float, percents: Percents
) -> tuple[list, list]:
    """Both conditionings with one control object; only the positive rows switch it on."""
    controls: dict[Any, PoseControl] = {}
    poses = torch.arange(1, len(features[0]) + 1)
    # A ControlNet that says so would be given to the negative rows, but only if they had no control of their own.
    first = positive[0][1]
    shared_control = first.get("control") if first.get("control_apply_to_uncond") else None

    def carry(name: str, conditioning: list, rows: torch.Tensor) -> list:
        conditionings = []
        for prompt, options in conditioning:
            previous = options.get("control", shared_control)
            if (control := pose_control_of(previous)) is None:
                if previous not in controls:
                    controls[previous] = PoseControl(features, strength, percents)
                    controls[previous].set_previous_controlnet(previous)
                options = options | {"control": controls[previous], "control_apply_to_uncond": False}
            elif not control.is_of(features, strength, percents):
                raise ValueError(
                    f"{node}: input '{name}' already carries another pose; connect the conditioning from before it"
                )
            row = options.get("model_conds", {}) | {POSE_ROW: comfy.conds.CONDRegular(rows)}
            conditionings.append([prompt, options | {"model_conds": row}])
        return conditionings

    return carry("positive", positive, poses), carry("negative", negative, torch.zeros_like(poses))


class PoseControl(comfy.controlnet.T2IAdapter):
    """The pose adapter's maps as a control: added in the U-Net's down path to the rows that ask for a pose.

    A T2I-Adapter is what a pose adapter is, and what tiled samplers crop the hint of. The maps are added by a patch of
    the input blocks, not handed over as a control's output, since only there the size of what they are added to is
    known: other packs shrink it on the way.

    Args:
        features: three maps (N, channels, side, side) for N poses, computed once a pose.
    """

    sub_idxs = None  # AnimateDiff-Evolved refuses a control without it; the poses follow its windows by themselves

    def __init__(
        self, features: tuple[torch.Tensor, ...], strength: float, percents: Percents,
        previous: comfy.controlnet.ControlBase | None = None,
    ) -> None:
        super().__init__(None, 3, 8, "nearest-exact")
        self.features = features
        self.strength = strength
        self.timestep_percent_range = percents
        self.previous_controlnet = previous
        self.cond_hint_original = hint()
        self.prepared: dict[Any, torch.Tensor] = {}

    def is_of(self, features: tuple[torch.Tensor, ...], strength: float, percents: Percents) -> bool:
        return (self.strength, self.timestep_percent_range) == (strength, percents) and all(
            feature.shape == other.shape and torch.equal(feature, other)
            for feature, other in zip(self.features, features, strict=True)
        )

    def scale_image_to(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def parts_for(self, latents: torch.Tensor) -> list[Part]:
        """What latents show of the picture by the hint: as a tiled sampler has cropped it for them, else as it came."""
        size = tuple(self.compression_ratio * side for side in latents.shape[2:])
        cropped = self.cond_hint is not None and tuple(self.cond_hint.shape[2:]) == size
        return parts_of_hint(self.cond_hint if cropped else self.cond_hint_original)

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        """Raises ValueError when the model has no HGA Apply, without which the prompt means nothing to it."""
        patcher = getattr(model, "current_patcher", None)
        if patcher is not None and patcher.get_attachment(f"{KEY}_calls") is None:
            raise ValueError(
                "Pose Conditioning: the sampler's model has no HGA Apply, so it cannot read CFLD's prompt and the "
                "clothes would be wrong; connect the output of HGA Apply to the sampler's input 'model'"
            )
        # TiledDiffusion puts a function in its place, and leaves it there where another control is chained on top.
        vars(self).pop("get_control", None)
        super().pre_run(model, percent_to_timestep_function)

    def get_control(
        self, x_noisy: torch.Tensor, t: torch.Tensor, cond: dict, batched_number: int, transformer_options: dict
    ) -> dict | None:
        """What the control before this one gives; the pose itself goes into `transformer_options`."""
        name_unconditional_rows(transformer_options)
        previous = None
        if self.previous_controlnet is not None:
            previous = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options)
        start, end = self.timestep_range or (math.inf, 0.0)
        if POSE_ROW in cond and is_within(t, start, end):
            patches = transformer_options.get("patches", {})
            # A tiled sampler asks once a tile, with the same options.
            others = [patch for patch in patches.get("input_block_patch", []) if not isinstance(patch, PoseAddition)]
            transformer_options["patches"] = patches | {"input_block_patch": [PoseAddition(self), *others]}
        return previous

    def map_of(self, level: int, crop: Crop, grid: tuple[int, int], like: torch.Tensor) -> torch.Tensor:
        """(N, channels, rows, columns) of a level on a grid."""
        key = (level, crop.figure, grid, like.dtype, like.device)
        if key not in self.prepared:
            features = cut(self.features[level].float(), crop.figure, grid) * self.strength
            self.prepared[key] = features.to(like.device, like.dtype)
        return self.prepared[key]

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

    def __deepcopy__(self, memo: dict) -> "PoseControl":
        """Ready for the step under way, as what it is copied from."""
        copied = self.copy()
        copied.set_previous_controlnet(copy.deepcopy(self.previous_controlnet, memo))
        copied.cond_hint, copied.timestep_range = self.cond_hint, self.timestep_range
        return copied

    def __reduce__(self) -> tuple:
        """The host's own attributes include functions, which no conditioning saved to a file could hold."""
        return PoseControl, (self.features, self.strength, self.timestep_percent_range, self.previous_controlnet)


def pose_control_of(control: comfy.controlnet.ControlBase | None) -> PoseControl | None:
    """The pose in a chain of controls, None if there is none."""
    while control is not None and not isinstance(control, PoseControl):
        control = control.previous_controlnet
    return control


class PoseAddition:
    """Patch of the input blocks in one U-Net call: what each row's pose adds, on the grid that the block has."""

    def __init__(self, control: PoseControl) -> None:
        self.control = control

    def __call__(self, h: torch.Tensor, transformer_options: dict) -> torch.Tensor:
        level, call = POSE_LEVELS.get(transformer_options["block"][1]), current_call()
        if level is None or call is None or call.poses is None or len(call.poses) != len(h):
            return h
        return add_rows(
            h, call.poses, call.crops, lambda crop: self.control.map_of(level, crop, tuple(h.shape[2:]), h)
        )

    def __deepcopy__(self, memo: dict) -> "PoseAddition":
        return self

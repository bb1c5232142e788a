"""What parity tests run: the networks and pipelines by the golden rule, and how far results are from the authors'."""

import copy
from collections.abc import Callable

import pytest
import torch
from einops import rearrange
from torch import nn

from cfld_modules.guidance import GUIDANCE_TYPES
from cfld_modules.networks.config import read_config
from cfld_modules.networks.model import CFLD, Appearance
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline, inversion_timesteps
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.poses.pose_maps import pose_maps
from cfld_modules.poses.reading import read_pose_keypoints
from tests.golden import (
    SCALES,
    SOURCE_POSES,
    STEPS,
    TARGET_POSES,
    as_cond,
    golden,
    input_tensor,
    networks_state,
    pose_keypoints,
)

Tensors = dict[str, torch.Tensor]


SIZE, BATCH = 128, 2


def tolerance(name: str) -> float:
    """What the goldens' authors allow on max |difference|."""
    if name.startswith("inverse.") and ".ddim." in name:
        return 3e-3
    if name.startswith(("ddim.", "ddpm.", "inverse.")):
        return 1e-3
    if name in ("unet.all", "unet.none", "unet.down_only", "unet.up_only", "unet.c_only", "unet.negative_t", "c"):
        return 1e-4
    return 5e-4 if name.startswith("unet.") else 5e-5


def failures(outputs: Tensors) -> dict[str, float]:
    """{name: difference} of the outputs that are not the goldens'."""
    differences = {name: golden().difference(name, tensor) for name, tensor in outputs.items()}
    return {name: difference for name, difference in differences.items() if not difference <= tolerance(name)}


def record(outputs: Tensors, name: str, module: nn.Module, rows: int | None = 1) -> None:
    """Keep the first `rows` of what `module` gives."""

    def keep(module: nn.Module, inputs: tuple, output: torch.Tensor | tuple) -> None:
        outputs[name] = (output[0] if isinstance(output, tuple) else output)[:rows]

    module.register_forward_hook(keep)


def build_networks() -> CFLD:
    networks = CFLD(read_config({name: tuple(tensor.shape) for name, tensor in networks_state().items()}))
    networks.load_state_dict(networks_state())
    return networks.requires_grad_(False).eval()


def target_maps() -> torch.Tensor:
    return pose_maps(read_pose_keypoints(pose_keypoints(*TARGET_POSES)), SIZE)


def encode(networks: CFLD) -> Tensors:
    """Everything that depends on no U-Net, under the goldens' names; adds hooks to the networks."""
    outputs: Tensors = {}
    record(outputs, "backbone.patch_embed", networks.backbone.patch_embed)
    for number, stage in enumerate(networks.backbone.layers):
        for position, block in enumerate(stage.blocks):
            record(outputs, f"backbone.layers.{number}.blocks.{position}", block)
        if stage.downsample is not None:
            record(outputs, f"backbone.layers.{number}.downsample", stage.downsample)
    for branch in range(9):
        record(outputs, f"appearance.{branch}.conv_in", networks.appearance_encoder.zero_conv_ins[branch])
        record(outputs, f"appearance.{branch}.blocks", networks.appearance_encoder.blocks[branch][-1])
    record(outputs, "pose_encoder.conv_in", networks.pose_encoder.conv_in)
    for number, block in enumerate(networks.decoder.blocks):
        record(outputs, f"decoder.blocks.{number}", block, rows=None)

    features = networks.backbone(as_cond(golden()["in.img_cond_u8"]))
    outputs |= {f"backbone.feature.{stage}": feature for stage, feature in enumerate(features)}
    outputs["backbone.pooled"] = features[-1].mean(dim=1)
    outputs["backbone.patch_embed"] = rearrange(outputs["backbone.patch_embed"], "b (h w) c -> b c h w", h=SIZE // 4)
    residuals = networks.appearance_encoder(features)
    outputs |= {f"appearance.block_{block}_cross_attn_q": residual for block, residual in residuals.items()}
    outputs["c"] = torch.cat([networks.learnable_vector.expand(BATCH, -1, -1), networks.decoder(features[-1])])
    maps = networks.encode_pose(target_maps())
    outputs |= {f"pose_encoder.feature.{level}": features for level, features in enumerate(maps)}
    return outputs | encode_probes(networks, features)


def encode_probes(networks: CFLD, features: list[torch.Tensor]) -> Tensors:
    """Small activations, which show a wrong eps of a LayerNorm."""
    decoder, appearance_encoder = copy.deepcopy((networks.decoder, networks.appearance_encoder))
    for module in (*decoder.modules(), *appearance_encoder.modules()):
        module._forward_hooks.clear()
    decoder.query_feat.mul_(0.01)
    decoder.pos_embed.mul_(0.01)
    outputs = {"probe.decoder": decoder(features[-1])}
    for branch in (0, 3, 6):
        appearance_encoder.zero_conv_ins[branch].bias.mul_(0.01)
        residual = appearance_encoder.branch(branch, 0.01 * features[branch // 3][:1])
        outputs[f"probe.appearance.block_{11 - branch}"] = residual
    return outputs


def call_rows(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
    """Single calls of the U-Net."""
    outputs = call_with_everything(pipeline, appearance, pose)
    for name, row, timestep in (
        ("none", "uc", 500), ("down_only", "down", 500), ("c_only", "c", 500), ("negative_t", "c", -249),
    ):  # fmt: skip
        outputs[f"unet.{name}"] = call_row(pipeline, row, timestep, appearance, pose)
    nothing = [torch.zeros_like(features) for features in pose]  # no guidance type has appearance without a pose
    outputs["unet.up_only"] = call_row(pipeline, "updown", 500, appearance, nothing)
    return outputs


def call_with_everything(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
    """unet.all and the blocks inside."""
    unet, outputs = copy.deepcopy(pipeline.unet), {}
    record(outputs, "unet.time_embedding", unet.time_embedding, rows=None)
    for name in (
        "conv_in", *(f"down_blocks.{level}" for level in range(4)), "mid_block", "up_blocks.0", "up_blocks.1",
        "up_blocks.2", "up_blocks.3",
    ):  # fmt: skip
        record(outputs, f"unet.{name}", unet.get_submodule(name))
    for level in (1, 2):
        attention = unet.get_submodule(f"up_blocks.{level}.attentions.0.transformer_blocks.0.attn2")
        record(outputs, f"unet.up_blocks.{level}.attentions.0.attn2", attention)
        record(outputs, f"unet.up_blocks.{level}.attentions.0.attn2.to_q", attention.to_q)
    recording = CFLDPipeline(unet, None, pipeline.scheduler, pipeline.cfld)
    outputs["unet.all"] = call_row(recording, "full", torch.tensor([981, 321]), appearance, pose)
    return outputs


@torch.no_grad()
def call_row(
    pipeline: CFLDPipeline, row: str, timestep: torch.Tensor | int, appearance: Appearance, pose: list[torch.Tensor]
) -> torch.Tensor:
    return pipeline.guided_epsilon(start_latents(), timestep, {row: 1.0}, appearance, pose)


def start_latents() -> torch.Tensor:
    return input_tensor("noise", (BATCH, 4, SIZE // 4, SIZE // 4))


def sample_all(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
    """Latents of every guidance type, every step of the paper's, and the three inversions."""
    outputs: Tensors = {}

    def keep_steps(sampler: str) -> Callable[[int, torch.Tensor, torch.Tensor], None]:
        def keep(step: int, epsilon: torch.Tensor, latents: torch.Tensor) -> None:
            outputs[f"{sampler}.uc_down_full.step{step}.noise_pred"] = epsilon
            outputs[f"{sampler}.uc_down_full.step{step}.latents"] = latents

        return keep

    def sample(latents: torch.Tensor, guidance_type: str, keep: Callable | None = None) -> torch.Tensor:
        return pipeline.denoise(latents, appearance, pose, guidance_type, SCALES, STEPS, callback=keep)

    for guidance_type in GUIDANCE_TYPES:
        keep = keep_steps("ddim") if guidance_type == "uc_down_full" else None
        outputs[f"ddim.{guidance_type}.latents"] = sample(start_latents(), guidance_type, keep)
    outputs["ddim.timesteps"] = pipeline.scheduler.timesteps
    del outputs["ddim.uc_down_full.latents"]  # stored as its last step

    source_maps = pose_maps(read_pose_keypoints(pose_keypoints(*SOURCE_POSES)), SIZE)
    source_pose = pipeline.cfld.encode_pose(source_maps)
    for variant, row in (("uncond", "uc"), ("cond", "c"), ("cond_down_up", "full")):
        inverted = pipeline.invert(golden()["in.src_latents"], appearance, source_pose, row, STEPS)
        outputs[f"inverse.{variant}.latents"] = inverted
        outputs[f"inverse.{variant}.ddim.latents"] = sample(inverted, "uc_down_full")
    outputs["inverse.timesteps"] = torch.tensor(inversion_timesteps(STEPS))

    noises = iter([input_tensor(f"ddpm.noise.{step}", start_latents().shape) for step in range(STEPS)])
    pipeline.scheduler = published_scheduler("ddpm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *shape, **options: next(noises))
        sample(start_latents(), "uc_down_full", keep_steps("ddpm"))
    outputs["ddpm.timesteps"] = pipeline.scheduler.timesteps
    outputs["alphas_cumprod"] = pipeline.scheduler.alphas_cumprod
    pipeline.scheduler = published_scheduler("ddim")
    return outputs

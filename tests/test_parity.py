"""The torch networks give what the authors' code gives, and the comparison would notice if they did not."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from diffusers import UNet2DConditionModel
from einops import rearrange
from PIL import Image
from torch import nn

from cfld_modules.checkpoints.cfld_checkpoint import KEY_VALUE_NAMES
from cfld_modules.guidance import GUIDANCE_TYPES
from cfld_modules.networks import swin
from cfld_modules.networks.attention import GEGLU, scaled_dot_product_attention
from cfld_modules.networks.config import CFLDConfig, read_config
from cfld_modules.networks.hga import AppearanceEncoder
from cfld_modules.networks.model import CFLD, Appearance
from cfld_modules.networks.prd import DecoderBlock, PerceptionRefinedDecoder
from cfld_modules.pipeline import unet_patch
from cfld_modules.pipeline.base_model import sd15_unet_config
from cfld_modules.pipeline.cfld_pipeline import CFLDPipeline, inversion_timesteps
from cfld_modules.pipeline.pictures import finish_pictures
from cfld_modules.pipeline.schedulers import published_scheduler
from cfld_modules.pipeline.unet_patch import AppearanceProcessor, patch_unet
from cfld_modules.poses.framing import FITS, fit_box, prepare_picture
from cfld_modules.poses.pose_maps import draw_pose, pose_maps
from cfld_modules.poses.reading import read_pose_keypoints
from tests.golden import (
    SCALES,
    SOURCE_POSES,
    STEPS,
    TARGET_POSES,
    as_cond,
    golden,
    input_tensor,
    keys,
    networks_state,
    pose_input,
    pose_keypoints,
    value,
)
from tests.tiny_models import tiny_unet

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


# Networks


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


@pytest.fixture(scope="module")
def networks() -> CFLD:
    return build_networks()


@pytest.fixture(scope="module")
def appearance(networks: CFLD) -> Appearance:
    return networks.encode_source(as_cond(golden()["in.img_cond_u8"]))


@pytest.fixture(scope="module")
def pose(networks: CFLD) -> list[torch.Tensor]:
    return networks.encode_pose(target_maps())


@pytest.fixture(scope="module")
def pipeline(networks: CFLD) -> CFLDPipeline:
    pipeline = CFLDPipeline(patch_unet(tiny_unet(), {}), None, published_scheduler("ddim"), networks)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def encoded() -> Tensors:
    return encode(build_networks())


@pytest.fixture(scope="module")
def called(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
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


@pytest.fixture(scope="module")
def sampled(pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]) -> Tensors:
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


# Parity


@pytest.mark.parametrize("part", ["backbone", "appearance", "decoder", "c", "pose_encoder", "probe"])
def test_networks_give_the_authors_outputs(encoded: Tensors, part: str) -> None:
    outputs = {name: tensor for name, tensor in encoded.items() if name.split(".")[0] == part}
    assert outputs
    assert failures(outputs) == {}


def test_unet_gives_the_authors_outputs_in_every_row_and_block(called: Tensors) -> None:
    assert failures(called) == {}


@pytest.mark.parametrize("guidance_type", GUIDANCE_TYPES)
def test_ddim_reaches_the_authors_latents(sampled: Tensors, guidance_type: str) -> None:
    outputs = {name: tensor for name, tensor in sampled.items() if name.startswith(f"ddim.{guidance_type}.")}
    assert len(outputs) == (2 * STEPS if guidance_type == "uc_down_full" else 1)
    assert failures(outputs) == {}


def test_ddpm_takes_the_authors_steps(sampled: Tensors) -> None:
    outputs = {name: tensor for name, tensor in sampled.items() if name.startswith("ddpm.uc_down_full.")}
    assert len(outputs) == 2 * STEPS
    assert failures(outputs) == {}


@pytest.mark.parametrize("variant", ["uncond", "cond", "cond_down_up"])
def test_ddim_inversion_reaches_the_authors_latents(sampled: Tensors, variant: str) -> None:
    outputs = {name: tensor for name, tensor in sampled.items() if name.startswith(f"inverse.{variant}.")}
    assert len(outputs) == 2
    assert failures(outputs) == {}


def test_noise_schedule_is_the_authors(sampled: Tensors) -> None:
    for name in ("ddim.timesteps", "ddpm.timesteps", "inverse.timesteps", "alphas_cumprod"):
        assert torch.equal(sampled[name], golden()[name]), name
    scheduler = published_scheduler("ddpm")
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(981, 0, -20))
    assert list(inversion_timesteps(50)) == list(range(-19, 962, 20))


def test_nothing_stored_goes_unchecked(encoded: Tensors, called: Tensors, sampled: Tensors) -> None:
    inputs = {name for name in golden().shapes if name.startswith("in.")}
    assert set(encoded) | set(called) | set(sampled) | inputs == set(golden().shapes)


# Pictures and poses, exactly


@pytest.mark.parametrize(("side", "names"), [("to", TARGET_POSES), ("from", SOURCE_POSES)])
def test_pose_maps_are_the_authors(side: str, names: tuple[str, str]) -> None:
    poses = read_pose_keypoints(pose_keypoints(*names))
    drawings = golden()[f"in.pose_{side}.draw_u8"]
    for pose, drawing in zip(poses, drawings, strict=True):
        assert np.array_equal(draw_pose(pose, SIZE, SIZE).transpose(2, 0, 1), drawing.numpy())
    assert torch.equal(pose_maps(poses, SIZE), pose_input(drawings, golden()[f"in.pose_{side}.centres"]))


def test_the_goldens_pictures_pass_through_a_resize_to_their_own_size() -> None:
    for picture in golden()["in.img_cond_u8"]:
        prepared = prepare_picture(picture.permute(1, 2, 0).numpy(), fit_box(SIZE, SIZE, "stretch"), SIZE)
        assert torch.equal(prepared, as_cond(picture))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("width", "height"), [(176, 256), (750, 1101)])
def test_photographs_are_squashed_as_the_authors_do(width: int, height: int, fit: str) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    squashed = Image.fromarray(photograph).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    expected = as_cond(torch.from_numpy(np.array(squashed)).permute(2, 0, 1))
    assert torch.equal(prepare_picture(photograph, fit_box(width, height, fit), SIZE), expected)


def test_finished_pictures_are_truncated_and_clamped_after_the_resize() -> None:
    decoded = input_tensor("decoded", (1, 3, 64, 64))
    clamped = (decoded * 0.5 + 0.5).clamp(0, 1)
    resized = functional.interpolate(clamped, size=(51, 35), mode="bicubic", antialias=True) * 255
    assert resized.min() < 0 and resized.max() > 255, "a bicubic resize overshoots"
    expected = resized.clamp(0, 255).floor().to(torch.uint8)
    assert np.array_equal(finish_pictures(decoded, 35, 51), expected.permute(0, 2, 3, 1).numpy())


# The published size


def test_the_default_configuration_has_the_published_tensors() -> None:
    published = keys("full")
    with torch.device("meta"):
        networks = CFLD(CFLDConfig())
        unet = UNet2DConditionModel(**sd15_unet_config())
    shapes = {name: list(tensor.shape) for name, tensor in networks.state_dict().items()}
    unet_shapes = {f"model.{name}": list(tensor.shape) for name, tensor in unet.state_dict().items()}
    assert shapes == published.networks
    assert unet_shapes == published.unet
    assert {f"model.{name}" for name in KEY_VALUE_NAMES} == set(published.trained)
    assert read_config({name: tuple(shape) for name, shape in published.networks.items()}) == CFLDConfig()

    def count(shapes: dict[str, list[int]], prefix: str = "") -> int:
        return sum(math.prod(shape) for name, shape in shapes.items() if name.startswith(prefix))

    trained = {f"model.{name}": unet_shapes[f"model.{name}"] for name in KEY_VALUE_NAMES}
    assert count(shapes) == published.counts["build_model"]["total"]
    for part, number in published.counts["build_model"]["parts"].items():
        assert count(shapes, part) == number, part
    assert count(unet_shapes) == published.counts["unet"]["total"]
    assert count(trained) == published.counts["unet"]["trainable"]
    assert count(shapes) + count(trained) == published.counts["trainable"]


@pytest.mark.parametrize("size", ["tiny", "full"])
def test_the_rule_gives_the_parameters_the_goldens_were_made_with(size: str) -> None:
    shapes = keys(size).networks | keys(size).unet
    for name, first in keys(size).fill_check.items():
        assert value(name, shapes[name]).flatten()[: len(first)].tolist() == first, name


# Mistakes that the comparison must notice

Patch = pytest.MonkeyPatch
Mistake = Callable[[CFLD, Patch], None]


def without_first_position(networks: CFLD, patch: Patch) -> None:
    _patch_decoder_block(patch, first=0, second=1)


def without_second_position(networks: CFLD, patch: Patch) -> None:
    _patch_decoder_block(patch, first=1, second=0)


def without_any_position(networks: CFLD, patch: Patch) -> None:
    _patch_decoder_block(patch, first=0, second=0)


def self_attention_first(networks: CFLD, patch: Patch) -> None:
    def forward(block: DecoderBlock, hidden: torch.Tensor, position: torch.Tensor, context: torch.Tensor):
        hidden = hidden + position
        hidden = hidden + block.attn1(block.norm1(hidden))
        hidden = hidden + position
        hidden = hidden + block.attn2(block.norm2(hidden), context)
        return hidden + block.ff(block.norm3(hidden))

    patch.setattr(DecoderBlock, "forward", forward)


def _patch_decoder_block(patch: Patch, first: int, second: int) -> None:
    def forward(block: DecoderBlock, hidden: torch.Tensor, position: torch.Tensor, context: torch.Tensor):
        hidden = hidden + first * position
        hidden = hidden + block.attn2(block.norm2(hidden), context)
        hidden = hidden + second * position
        hidden = hidden + block.attn1(block.norm1(hidden))
        return hidden + block.ff(block.norm3(hidden))

    patch.setattr(DecoderBlock, "forward", forward)


def without_key_position(networks: CFLD, patch: Patch) -> None:
    original = PerceptionRefinedDecoder.forward
    patch.setattr(
        PerceptionRefinedDecoder, "forward", lambda decoder, tokens: original(decoder, tokens - decoder.kv_pos_embed)
    )


def normalised_keys(networks: CFLD, patch: Patch) -> None:
    original = PerceptionRefinedDecoder.forward
    patch.setattr(
        PerceptionRefinedDecoder, "forward",
        lambda decoder, tokens: original(decoder, functional.layer_norm(tokens, tokens.shape[-1:])),
    )


def wrong_eps(part: str, kind: type[nn.Module], eps: float) -> Mistake:
    def make(networks: CFLD, patch: Patch) -> None:
        for module in networks.get_submodule(part).modules():
            if isinstance(module, kind):
                patch.setattr(module, "eps", eps)

    return make


def tanh_gelu(networks: CFLD, patch: Patch) -> None:
    def forward(module: GEGLU, hidden: torch.Tensor) -> torch.Tensor:
        values, gate = module.proj(hidden).chunk(2, dim=-1)
        return values * functional.gelu(gate, approximate="tanh")

    patch.setattr(GEGLU, "forward", forward)


def tanh_gelu_in_backbone(networks: CFLD, patch: Patch) -> None:
    for module in networks.backbone.modules():
        if isinstance(module, nn.GELU):
            patch.setattr(module, "approximate", "tanh")


def row_major_merging(networks: CFLD, patch: Patch) -> None:
    def forward(merging: swin.PatchMerging, tokens: torch.Tensor) -> torch.Tensor:
        tokens = rearrange(tokens, "b (h i w j) c -> b (h w) (i j c)", h=merging.grid // 2, i=2, j=2)
        return merging.reduction(merging.norm(tokens))

    patch.setattr(swin.PatchMerging, "forward", forward)


def transposed_position_bias(networks: CFLD, patch: Patch) -> None:
    bias = swin.relative_position_bias
    patch.setattr(swin, "relative_position_bias", lambda table: bias(table).transpose(1, 2))


def without_shift_mask(networks: CFLD, patch: Patch) -> None:
    patch.setattr(swin, "shift_mask", lambda *arguments: None)


def unscaled_drop_path(networks: CFLD, patch: Patch) -> None:
    patch.setattr(swin.Block, "_dropped", lambda block, branch: branch * (1 - block.drop_path))


def without_shift(networks: CFLD, patch: Patch) -> None:
    for stage in networks.backbone.layers:
        for block in stage.blocks:
            patch.setattr(block, "shift", 0)


def exchanged_drawing_channels(networks: CFLD, patch: Patch) -> None:
    original = networks.pose_encoder.forward
    patch.setattr(networks.pose_encoder, "forward", lambda maps: original(torch.cat([maps[:, 3:], maps[:, :3]], 1)))


@pytest.mark.parametrize(
    ("mistake", "part"),
    [
        (without_first_position, "c"),
        (without_second_position, "c"),
        (without_any_position, "c"),
        (self_attention_first, "c"),
        (without_key_position, "c"),
        (normalised_keys, "c"),
        (wrong_eps("decoder", nn.LayerNorm, 1e-6), "probe.decoder"),
        (wrong_eps("decoder", nn.LayerNorm, 1e-12), "probe.decoder"),
        (wrong_eps("appearance_encoder", nn.LayerNorm, 1e-6), "probe.appearance"),
        (wrong_eps("appearance_encoder", nn.LayerNorm, 1e-12), "probe.appearance"),
        (wrong_eps("backbone", nn.LayerNorm, 1e-6), "backbone"),
        (wrong_eps("pose_encoder", nn.GroupNorm, 1e-5), "pose_encoder"),
        (tanh_gelu, "c"),
        (tanh_gelu, "appearance"),
        (tanh_gelu_in_backbone, "backbone"),
        (row_major_merging, "backbone"),
        (transposed_position_bias, "backbone"),
        (without_shift_mask, "backbone"),
        (without_shift, "backbone"),
        (unscaled_drop_path, "backbone"),
        (exchanged_drawing_channels, "pose_encoder"),
    ],
    ids=lambda argument: getattr(argument, "__qualname__", argument).split(".")[0],
)
def test_a_mistake_in_the_networks_is_noticed(mistake: Mistake, part: str, monkeypatch: Patch) -> None:
    networks = build_networks()
    mistake(networks, monkeypatch)
    assert any(name.startswith(part) for name in failures(encode(networks)))


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (0, 2)])
def test_exchanged_branches_are_noticed(
    networks: CFLD, encoded: Tensors, level: int, first: int, second: int, monkeypatch: Patch
) -> None:
    """Branches of different levels have different sizes and cannot be exchanged at all."""
    first, second = 3 * level + first, 3 * level + second
    exchanged = {first: second, second: first}
    branch = AppearanceEncoder.branch
    monkeypatch.setattr(
        AppearanceEncoder, "branch", lambda encoder, k, tokens: branch(encoder, exchanged.get(k, k), tokens)
    )
    residuals = networks.appearance_encoder([encoded[f"backbone.feature.{stage}"] for stage in range(4)])
    outputs = {f"appearance.block_{block}_cross_attn_q": residual for block, residual in residuals.items()}
    expected = {f"appearance.block_{11 - k}_cross_attn_q" for k in exchanged}
    assert set(failures(outputs)) == expected


class ResidualBeforeProjection(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        if self.block is not None:
            hidden_states = hidden_states + appearance[self.block]
        return super().__call__(attn, hidden_states, encoder_hidden_states)


class ResidualAfterScale(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        if self.block is not None:
            scale = (attn.inner_dim / attn.heads) ** 0.5
            appearance = {self.block: scale * appearance[self.block]}
        return super().__call__(attn, hidden_states, encoder_hidden_states, appearance=appearance)


class ResidualOnKey(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        if self.block is None:
            return super().__call__(attn, hidden_states, encoder_hidden_states)
        key = attn.to_k(encoder_hidden_states)
        key = key + appearance[self.block][:, : key.shape[1]]
        hidden = scaled_dot_product_attention(
            attn.to_q(hidden_states), key, attn.to_v(encoder_hidden_states), attn.heads
        )
        return attn.to_out[0](hidden)


class NoResidual(AppearanceProcessor):
    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, appearance=None):
        return super().__call__(attn, hidden_states, encoder_hidden_states)


@pytest.mark.parametrize("processor", [ResidualBeforeProjection, ResidualAfterScale, ResidualOnKey, NoResidual])
def test_a_residual_on_the_wrong_query_is_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor], processor: type, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(unet_patch, "AppearanceProcessor", processor)
    assert "unet.all" in failures(call_with_everything(repatched(pipeline), appearance, pose))


def test_a_residual_on_the_self_attention_is_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor], monkeypatch: Patch
) -> None:
    up_block = unet_patch._up_block
    monkeypatch.setattr(
        unet_patch, "_up_block", lambda name: up_block(name.replace("attn1", "attn2")) if "attn1" in name else None
    )
    assert "unet.all" in failures(call_with_everything(repatched(pipeline), appearance, pose))


def test_residuals_in_reversed_order_are_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]
) -> None:
    reversed_in_level = {block: appearance.residuals[block // 3 * 6 + 2 - block] for block in appearance.residuals}
    wrong = Appearance(appearance.prompt, reversed_in_level)
    assert "unet.all" in failures(call_with_everything(pipeline, wrong, pose))


def test_a_unet_without_the_trained_matrices_is_noticed(
    pipeline: CFLDPipeline, appearance: Appearance, pose: list[torch.Tensor]
) -> None:
    forgetful = repatched(pipeline)
    for name in KEY_VALUE_NAMES:
        forgetful.unet.get_parameter(name).mul_(1.01)
    assert "unet.all" in failures(call_with_everything(forgetful, appearance, pose))


def repatched(pipeline: CFLDPipeline) -> CFLDPipeline:
    """The pipeline with a U-Net of its own, patched again."""
    return CFLDPipeline(patch_unet(copy.deepcopy(pipeline.unet), {}), None, pipeline.scheduler, pipeline.cfld)

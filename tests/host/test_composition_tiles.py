"""CFLD among other nodes (see `composition`): windows of frames, and tiles of a picture."""

import pytest
import torch
from comfy.patcher_extension import WrappersMP
from comfy_extras import nodes_context_windows
from composition import CFG, POSE_SCALE, having, predict
from tiny_host import golden, nodes, noise

pytestmark = pytest.mark.usefixtures("no_gradients")


@pytest.fixture(scope="module")
def frames(person):
    """One person, four poses, and each frame alone."""
    return person.posed(person.prompt, person.learnt, pose=golden.pose_keypoints("side", "front", "half", "side"))


def alone(person, model, start):
    return torch.cat(
        [
            predict(
                model,
                *person.posed(person.prompt, person.learnt, pose=golden.pose_keypoints(pose)),
                CFG,
                start[i : i + 1],
            )
            for i, pose in enumerate(("side", "front", "half", "side"))
        ]
    )


def test_context_windows_give_each_frame_its_pose(model, person, frames, figure):
    start = golden.input_tensor("frames", (4, 4, 32, 32))
    windows = nodes_context_windows.ContextWindowsManualNode.execute(
        person.hga(model), 2, 1, "standard_static", 1, False, "pyramid", 0, False
    ).result[0]
    figure(
        "core's ContextWindows", predict(windows, *frames, CFG, start), alone(person, person.hga(model), start), 1e-4
    )


def test_windows_of_two_frames_match_each_frame_alone(model, person, frames, figure):
    """As AnimateDiff-Evolved does it: a wrapper that hands on two frames of all that has as many as there are.

    It refuses a control without `sub_idxs`.
    """

    def windows(executor, base, conds, x, sigma, options):
        assert all(hasattr(entry["control"], "sub_idxs") for entries in conds for entry in entries)
        parts = [
            executor(base, [window(entries, x, chosen) for entries in conds], x[chosen], sigma[chosen], options)
            for chosen in ([0, 1], [2, 3])
        ]
        return [torch.cat(row) for row in zip(*parts, strict=True)]

    def window(entries, x, chosen):
        return [
            entry
            | {
                "model_conds": {
                    key: cond._copy_with(cond.cond[chosen]) if cond.cond.size(0) == x.size(0) else cond
                    for key, cond in entry["model_conds"].items()
                }
            }
            for entry in entries
        ]

    start = golden.input_tensor("frames", (4, 4, 32, 32))
    for place in ("before", "after"):
        patched = (person.hga(model) if place == "after" else model).clone()
        patched.add_wrapper_with_key(WrappersMP.CALC_COND_BATCH, "ADE", windows)
        patched = person.hga(patched) if place == "before" else patched
        result = predict(patched, *frames, CFG, start)
        figure(f"AnimateDiff's contexts, {place} HGA", result, alone(person, person.hga(model), start), 1e-4)


def cut_out(person, top, left):
    """By hand: the person's 32x32 part of a picture of 64x64 latents, as a frame of its own."""

    def part(maps, level):
        side, size = 64 // 2**level, 32 // 2**level
        y, x = top // 2**level, left // 2**level
        return torch.nn.functional.interpolate(maps, (side, side), mode="bilinear", antialias=True)[
            ..., y : y + size, x : x + size
        ]

    control = person.positive[0][1]["control"]
    cut = type(control)(
        tuple(part(features, level) for level, features in enumerate(control.features)), 1.0, (0.0, 1.0)
    )
    residuals = {}
    for block, tokens in person.appearance.residuals.items():
        side = round(tokens.shape[1] ** 0.5)
        maps = tokens.transpose(1, 2).reshape(1, -1, side, side)
        residuals[block] = part(maps, 3 - block // 3).flatten(2).transpose(1, 2)
    appearance = type(person.appearance)(person.appearance.prompt, residuals)
    return appearance, [having(entry, control=cut) for entry in (person.positive, person.negative)]


TILES = [(0, 0), (0, 32), (16, 8), (32, 32)]


@pytest.mark.parametrize(("top", "left"), TILES)
def test_a_tile_that_an_upscaler_cuts_out(model, person, figure, top, left):
    """As UltimateSDUpscale does it: the conditioning's hint cropped and resized, and the tile sampled on its own."""

    def cropped(conditioning):
        control = conditioning[0][1]["control"].copy()
        hint = control.cond_hint_original
        y, x = (round(place * 8 / 512 * hint.shape[-1]) for place in (top, left))
        half = hint.shape[-1] // 2
        control.cond_hint_original = torch.nn.functional.interpolate(
            hint[..., y : y + half, x : x + half], (256, 256), mode="nearest-exact"
        )
        return having(conditioning, control=control)

    tile = noise()[:1]
    positive, negative = cropped(person.positive), person.negative
    negative = having(negative, control=positive[0][1]["control"])
    appearance, by_hand = cut_out(person, top, left)
    expected = predict(
        nodes.CFLDApplyHGA.execute(model, person.cfld, appearance, 1.0, POSE_SCALE, 0.0, 1.0).result[0],
        *by_hand,
        CFG,
        tile,
    )
    figure(
        f"UltimateSDUpscale's tile at {top}, {left}",
        predict(person.hga(model), positive, negative, CFG, tile),
        expected,
        1e-4,
    )


def test_tiles_of_a_tiled_sampler(model, person, figure):
    """As TiledDiffusion does it: tiles in one batch, maps cropped by their own scale, the control asked again.

    It fails at maps of the latents' own size.
    """
    corners = [(0, 0), (0, 32), (32, 0), (32, 32)]

    def tiled(apply_model, arguments):
        x, timestep, conds = arguments["input"], arguments["timestep"], arguments["c"]
        part = {
            key: tiles(value) if value.ndim == 4 else value.repeat(4, *[1] * (value.ndim - 1))
            for key, value in conds.items()
            if isinstance(value, torch.Tensor)
        }
        assert all(value.shape[2:] != x.shape[2:] for value in conds.values() if getattr(value, "ndim", 0) == 4)
        control, rows = person.positive[0][1]["control"], len(arguments["cond_or_uncond"])
        part |= {"transformer_options": conds["transformer_options"]}
        part["control"] = control.get_control(tiles(x), timestep.repeat(4), part, rows, conds["transformer_options"])
        out = apply_model(tiles(x), timestep.repeat(4), **part).chunk(4)
        return torch.cat([torch.cat(out[:2], -1), torch.cat(out[2:], -1)], -2)

    def tiles(maps):
        scale = maps.shape[-1] // 64
        return torch.cat(
            [maps[..., scale * y : scale * (y + 32), scale * x : scale * (x + 32)] for y, x in corners]
        )

    start = golden.input_tensor("tiled", (1, 4, 64, 64))
    patched = person.hga(model)
    patched.set_model_unet_function_wrapper(tiled)
    result = predict(patched, person.positive, person.negative, CFG, start)
    for y, x in corners:
        appearance, by_hand = cut_out(person, y, x)
        hga = nodes.CFLDApplyHGA.execute(model, person.cfld, appearance, 1.0, POSE_SCALE, 0.0, 1.0).result[0]
        expected = predict(hga, *by_hand, CFG, start[..., y : y + 32, x : x + 32])
        figure(f"TiledDiffusion's tile at {y}, {x}", result[..., y : y + 32, x : x + 32], expected, 1e-4)

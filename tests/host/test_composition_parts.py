"""CFLD among other nodes (see `composition`): parts of a picture, whoever cuts them out."""

import inspect
import logging
from types import SimpleNamespace

import comfy.samplers
import comfy.utils
import pytest
import tiny_host
import torch
from comfy_extras import nodes_context_windows
from composition import CFG, guide, guided, having, predict
from tiny_host import golden

pytestmark = pytest.mark.usefixtures("no_gradients")
PICTURE = (16, 24)  # of latents


@pytest.fixture(scope="module")
def start():
    return golden.input_tensor("parts", (1, 4, *PICTURE))


def cut_hint(conditioning, columns, size):
    """As UltimateSDUpscale does it, whose rows are in the table, too: the hint cropped and resized."""
    control = conditioning[0][1]["control"].copy()
    hint = control.cond_hint_original
    left, right = (round(edge / PICTURE[1] * hint.shape[-1]) for edge in columns)
    control.cond_hint_original = comfy.utils.common_upscale(hint[..., left:right], *size, "nearest-exact", "disabled")
    return having(conditioning, control=control)


def window_alone(person, model, start, left, width=16):
    """What these columns of the picture are by themselves, as a part that has its share of the figure."""
    columns = (left, left + width)
    both = [cut_hint(entry, columns, (8 * width, 128)) for entry in (person.positive, person.negative)]
    return predict(person.hga(model), *both, CFG, start[..., slice(*columns)])


def windows(model, dim=3, length=16, overlap=8, schedule="standard_static", closed=False):
    arguments = {
        "context_length": length, "context_overlap": overlap, "context_schedule": schedule, "context_stride": 1,
        "closed_loop": closed, "fuse_method": "flat", "dim": dim, "freenoise": False, "cond_retain_index_list": "",
        "split_conds_to_windows": False, "latent_retain_index_list": "", "causal_window_fix": False,
    }  # fmt: skip
    known = inspect.signature(nodes_context_windows.ContextWindowsManualNode.execute).parameters
    arguments = {name: value for name, value in arguments.items() if name in known}
    return nodes_context_windows.ContextWindowsManualNode.execute(model, **arguments).result[0]


def test_context_windows_over_the_width_match_each_window_alone(model, person, start, figure):
    found = predict(windows(person.hga(model)), person.positive, person.negative, CFG, start)
    total, count = torch.zeros_like(start), torch.zeros_like(start)
    for left in (0, 8):
        total[..., left : left + 16] += window_alone(person, model, start, left)
        count[..., left : left + 16] += 1
    figure("ContextWindows over the width", found, total / count, 1e-4)


def test_context_windows_over_the_height_match_each_window_alone(model, person, start, figure):
    tall = start.transpose(2, 3).contiguous()
    patched = windows(person.hga(model), dim=2, length=12, overlap=0)
    found = predict(patched, person.positive, person.negative, CFG, tall)
    parts = []
    for top in (0, 12):
        control = person.positive[0][1]["control"].copy()
        hint = control.cond_hint_original
        edges = (round(edge / 24 * hint.shape[-2]) for edge in (top, top + 12))
        control.cond_hint_original = hint[..., slice(*edges), :]
        both = [having(entry, control=control) for entry in (person.positive, person.negative)]
        parts.append(predict(person.hga(model), *both, CFG, tall[..., top : top + 12, :]))
    figure("ContextWindows over the height", found, torch.cat(parts, dim=2), 1e-4)


def test_a_window_over_the_edge_is_the_end_and_the_beginning(model, person, start):
    """A panorama's window: on maps that are turned by half, it is the window in the middle."""
    crops = tiny_host.importlib.import_module("cfld_pack.nodes.host.crops")
    over = crops.part_of_window(1, [*range(20, 24), *range(12)], 24)
    maps = golden.input_tensor("maps", (1, 3, 16, 24))
    assert torch.equal(crops.cut(maps, over, (16, 16)), maps.roll(4, dims=3)[..., :16])
    assert torch.equal(crops.cut_mask(maps[:, :1], over, (16, 16)), maps.roll(4, dims=3)[:, :1, :, :16])


def cropping(columns, known):
    """A wrapper that computes its parts by itself, and hands on of the call what it knows."""

    def wrapper(apply_model, arguments):
        x, out = arguments["input"], torch.zeros_like(arguments["input"])
        conds = {key: value for key, value in arguments["c"].items() if known is None or key in known}
        for left, right in columns:
            part = {
                key: value[..., left:right] if getattr(value, "shape", ())[2:] == x.shape[2:] else value
                for key, value in conds.items()
            }  # fmt: skip
            out[..., left:right] = apply_model(x[..., left:right], arguments["timestep"], **part)
        return out

    return wrapper


@pytest.mark.parametrize("known", [None, ("c_crossattn", "control", "transformer_options")], ids=["all", "some"])
def test_a_wrapper_that_crops_by_itself(model, person, start, figure, known):
    patched = person.hga(model)
    patched.set_model_unet_function_wrapper(cropping([(0, 8), (8, 24)], known))
    found = predict(patched, person.positive, person.negative, CFG, start)
    parts = [window_alone(person, model, start, left, width) for left, width in ((0, 8), (8, 16))]
    figure(f"a wrapper that crops and hands on {'all' if known is None else 'some'}", found, torch.cat(parts, -1), 1e-4)


class Tiled(comfy.samplers.CFGGuider):
    """A guider that predicts the halves of a picture one after the other."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        return torch.cat([
            comfy.samplers.sampling_function(
                self.inner_model, part, timestep, self.conds["negative"], self.conds["positive"], self.cfg,
                model_options=model_options, seed=seed,
            )
            for part in x.split(12, dim=3)
        ], dim=3)  # fmt: skip


def test_a_guider_that_crops_matches_each_crop_alone(model, person, start, figure):
    guider = Tiled(person.hga(model))
    guider.set_conds(person.positive, person.negative)
    guider.set_cfg(CFG)
    parts = [window_alone(person, model, start, left, 12) for left in (0, 12)]
    figure("a guider that crops", guide(guider, start), torch.cat(parts, -1), 1e-4)


def test_a_sampler_that_crops_a_hint_for_its_tile(model, person, start, figure):
    """As BlenderNeko's Tiled KSampler does it, which looks for T2I-Adapters."""
    controls = [entry[0][1]["control"] for entry in (person.positive, person.negative)]
    assert all(isinstance(control, comfy.controlnet.T2IAdapter) and control.channels_in == 3 for control in controls)
    hint = torch.nn.functional.interpolate(controls[0].cond_hint_original, (128, 192), mode="nearest-exact")
    for control in controls:
        control.cond_hint = hint[..., 64:].to(control.device)
    found = predict(person.hga(model), person.positive, person.negative, CFG, start[..., 8:])
    assert all(control.cond_hint is None for control in controls)
    figure("a tiled sampler that crops hints", found, window_alone(person, model, start, 8), 1e-4)


def test_a_part_that_cannot_be_found_is_said(model, person, start, caplog):
    """Latents that are no cut: they get the whole figure, once said a sampling."""
    patched = person.hga(model)

    def shrunken(apply_model, arguments):
        small = torch.nn.functional.interpolate(arguments["input"], scale_factor=0.5)
        conds = {key: value for key, value in arguments["c"].items() if key in ("c_crossattn", "transformer_options")}
        out = apply_model(small, arguments["timestep"], **conds)
        return torch.nn.functional.interpolate(out, scale_factor=2)

    patched.set_model_unet_function_wrapper(shrunken)
    with caplog.at_level(logging.WARNING, "cfld"):
        tiny_host.ksample(patched, person.positive, person.negative, CFG, 2, start=start)
    said = [record.message for record in caplog.records if record.name == "cfld"]
    assert len(said) == 1 and "another node computes latents of 12x8 in a step of 24x16" in said[0]


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def test_a_detailer_and_a_crop_are_told_from_other_nodes(monkeypatch):
    detailers = tiny_host.importlib.import_module("cfld_pack.nodes.host.detailers")
    others = {
        "InpaintCropImproved": ("STITCHER", "IMAGE", "MASK"), "InpaintStitch": ("IMAGE",), "ImageCrop": ("IMAGE",)
    }  # fmt: skip
    for name, types in others.items():
        monkeypatch.setitem(detailers.NODE_CLASS_MAPPINGS, name, SimpleNamespace(RETURN_TYPES=types))
    model, vae = {"model": ["model", 0]}, {"vae": ["model", 2]}
    graph = {
        "model": node("CheckpointLoaderSimple", ckpt_name="a"),
        "photo": node("LoadImage", image="photo.png"),
        "hga": node("CFLDApplyHGA", **model),
        "figure": node("KSampler", model=["hga", 0], latent_image="none"),
        "finished": node("VAEDecode", samples=["figure", 0], **vae),
        # Inpaint Crop, the picture it is stitched into, and that one sampled as a whole.
        "crop": node("InpaintCropImproved", image=["photo", 0]),
        "encode": node("VAEEncode", pixels=["crop", 1], **vae),
        "in a crop": node("KSampler", latent_image=["encode", 0], **model),
        "its latents again": node("KSampler", latent_image=["in a crop", 0], **model),
        "decode": node("VAEDecode", samples=["in a crop", 0], **vae),
        "stitch": node("InpaintStitch", stitcher=["crop", 0], inpainted_image=["decode", 0]),
        "encode stitched": node("VAEEncode", pixels=["stitch", 0], **vae),
        "stitched": node("KSampler", latent_image=["encode stitched", 0], **model),
        # Any crop: of a photo, which is the picture then, and of a picture with the figure.
        "photo's crop": node("ImageCrop", image=["photo", 0], width=64, height=64, x=0, y=0),
        "encode photo's": node("VAEEncode", pixels=["photo's crop", 0], **vae),
        "a photo's crop": node("KSampler", latent_image=["encode photo's", 0], **model),
        "finished crop": node("ImageCrop", image=["finished", 0], width=64, height=64, x=0, y=0),
        "encode finished": node("VAEEncode", pixels=["finished crop", 0], **vae),
        "a figure's crop": node("KSampler", latent_image=["encode finished", 0], **model),
        "latents": node("LatentCrop", samples=["figure", 0], width=64, height=64, x=0, y=0),
        "a crop of latents": node("KSampler", latent_image=["latents", 0], **model),
        "face": node("FaceDetailer", image=["photo", 0]),
        "empty": node("KSampler", latent_image="none", **model),
    }  # fmt: skip
    named = {name: detailers.cropping_node(graph, name) for name in graph if graph[name]["class_type"] == "KSampler"}
    assert {name: crop for name, crop in named.items() if crop} == {
        "in a crop": "InpaintCropImproved", "a figure's crop": "ImageCrop", "a crop of latents": "LatentCrop"
    }
    assert detailers.cropping_node(graph, "face") == "FaceDetailer"


def test_a_function_that_another_pack_left_in_a_control_is_gone_in_the_next_sampling(model, person, rows, figure):
    """As TiledDiffusion leaves it in a conditioning that the host keeps, where another control is chained on it."""
    control = person.positive[0][1]["control"]
    control.get_control = lambda *args, **kwargs: control
    figure("after a tiled sampling", predict(person.hga(model), person.positive, person.negative), guided(rows), 1e-5)

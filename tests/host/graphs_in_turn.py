"""`make turns`: graphs with other packs one after the other in one server, in orders drawn by seed, /free between some.

Every picture is bit for bit that of its graph alone in a fresh server: what spoils a server shows only so. The packs
are those of `PACKS` in the folder that COMFYUI_PACKS names; a graph whose pack is not there is left out.
"""

import argparse
import copy
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import host
import numpy as np
from comfy_server import Server, running_server
from PIL import Image

Prompt = dict[str, dict[str, Any]]
SIDE = 128  # of the pictures
GGUF_FILE = "unet_Q8_0.gguf"
PACKS = (  # by the names of their repositories
    "ComfyUI-GGUF", "ComfyUI_TiledKSampler", "style_aligned_comfy", "cd-tuner_negpip-ComfyUI", "ComfyUI-deepcache",
    "pre_cfg_comfy_nodes_for_ComfyUI", "sd-perturbed-attention", "ComfyUI-TiledDiffusion",
    "ComfyUI-AnimateDiff-Evolved", "ComfyUI-Advanced-ControlNet",
)  # fmt: skip


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def text_graph() -> Prompt:
    return {
        "checkpoint": node("CheckpointLoaderSimple", ckpt_name="v1-5-pruned-emaonly-fp16.safetensors"),
        "text": node("CLIPTextEncode", clip=["checkpoint", 1], text="a street in the rain"),
        "bad": node("CLIPTextEncode", clip=["checkpoint", 1], text="blurry"),
        "latent": node("EmptyLatentImage", width=SIDE, height=SIDE, batch_size=1),
        "sampler": node(
            "KSampler", model=["checkpoint", 0], seed=7, steps=2, cfg=2.0, sampler_name="euler", denoise=1.0,
            scheduler="ddim_uniform", positive=["text", 0], negative=["bad", 0], latent_image=["latent", 0],
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["checkpoint", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="turn"),
    }  # fmt: skip


def person_graph(pose_guidance: float = 3.0) -> Prompt:
    graph = text_graph() | {
        "cfld": node("CFLDLoader", cfld_name="cfld.safetensors", weight_dtype="default"),
        "photo": node("CFLDDemoPerson", person=14, pose=0, width=352, height=512),
        "person": node("CFLDPromptEncoder", cfld=["cfld", 0], image=["photo", 0], fit="pad"),
        "pose": node("CFLDLoadPose", pose="walking_front"),
        "posed": node(
            "CFLDPoseConditioning", cfld=["cfld", 0], positive=["person", 0], negative=["person", 1],
            pose=["pose", 0], strength=1.0, start_percent=0.0, end_percent=1.0, fit="pad",
        ),
        "hga": node(
            "CFLDApplyHGA", model=["checkpoint", 0], cfld=["cfld", 0], appearance=["person", 2], strength=1.0,
            pose_guidance=pose_guidance, start_percent=0.0, end_percent=1.0,
        ),
    }  # fmt: skip
    graph["sampler"]["inputs"] |= {"model": ["hga", 0], "positive": ["posed", 0], "negative": ["posed", 1]}
    return graph


def through(graph: Prompt, class_type: str, after: str = "hga", model: str = "model", **inputs: Any) -> Prompt:
    """Puts a node between a model and who reads it."""
    for one in graph.values():
        if one["inputs"].get("model") == [after, 0]:
            one["inputs"]["model"] = [class_type, 0]
    graph[class_type] = node(class_type, **{model: [after, 0]}, **inputs)
    return graph


def sized(graph: Prompt, width: int = SIDE, batch: int = 1) -> Prompt:
    graph["latent"]["inputs"] |= {"width": width, "batch_size": batch}
    return graph


def scene_graph(side: str | None) -> Prompt:
    """A described scene, a LoRA bypassed on one side of it."""
    graph = person_graph()
    inputs = graph["sampler"]["inputs"]
    graph |= {
        "noise": node("RandomNoise", noise_seed=7),
        "select": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node(
            "BasicScheduler", model=["checkpoint", 0], scheduler="ddim_uniform", steps=2, denoise=1.0
        ),
        "guider": node(
            "CFLDSceneGuider", model=["hga", 0], positive=inputs["positive"], negative=inputs["negative"],
            scene_positive=["text", 0], scene_negative=["bad", 0], scene_model=["checkpoint", 0], scene_guidance=5.0,
            person_guidance=2.0, fusion_start_percent=0.0, fusion_end_percent=1.0,
        ),
        "sampler": node(
            "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["select", 0],
            sigmas=["sigmas", 0], latent_image=["latent", 0],
        ),
    }  # fmt: skip
    if side is not None:
        graph["bypass"] = node(
            "LoraLoaderBypassModelOnly", model=["checkpoint", 0], lora_name="style.safetensors", strength_model=1.0
        )
        if side == "scene":
            graph["guider"]["inputs"]["scene_model"] = ["bypass", 0]
        else:
            graph["hga"]["inputs"]["model"] = ["bypass", 0]
    return graph


def gguf_graph(person: bool) -> Prompt:
    graph = person_graph() if person else text_graph()
    graph["gguf"] = node("UnetLoaderGGUF", unet_name=GGUF_FILE)
    graph["hga" if person else "sampler"]["inputs"]["model"] = ["gguf", 0]
    return graph


def tiled_ksampler() -> Prompt:
    graph = sized(person_graph(), 2 * 256)
    inputs = graph["sampler"]["inputs"]
    graph["latent"]["inputs"]["height"] = 256
    graph["sampler"] = node(
        "BNK_TiledKSampler", **inputs, tile_width=256, tile_height=256, tiling_strategy="simple"
    )
    return graph


def negpip(person: bool) -> Prompt:
    graph = person_graph() if person else text_graph()
    after = "hga" if person else "checkpoint"
    for one in ("text", "bad"):
        graph[one]["inputs"]["clip"] = ["Negapip", 1]
    return through(graph, "Negapip", after, clip=["checkpoint", 1])


def animated(person: bool) -> Prompt:
    """AnimateDiff's windows of frames, without a motion model."""
    graph = sized(person_graph() if person else text_graph(), batch=4)
    graph["windows"] = node(
        "ADE_StandardStaticContextOptions", context_length=2, context_overlap=1, fuse_method="pyramid",
        use_on_equal_length=False, start_percent=0.0, guarantee_steps=1,
    )  # fmt: skip
    return through(
        graph, "ADE_UseEvolvedSampling", "hga" if person else "checkpoint", beta_schedule="use existing",
        context_options=["windows", 0],
    )  # fmt: skip


def advanced_controlnet() -> Prompt:
    graph = person_graph()
    graph |= {
        "loader": node(
            "ACN_ControlNetLoaderAdvanced", cnet="control_v11p_sd15_openpose_fp16.safetensors"
        ),
        "control": node(
            "ACN_AdvancedControlNetApply_v2", positive=["posed", 0], negative=["posed", 1], control_net=["loader", 0],
            image=["photo", 0], strength=1.0, start_percent=0.0, end_percent=1.0,
        ),
    }  # fmt: skip
    graph["sampler"]["inputs"] |= {"positive": ["control", 0], "negative": ["control", 1]}
    return graph


# What each is, and the pack that it takes.
GRAPHS: dict[str, tuple[Callable[[], Prompt], str | None]] = {
    "text": (text_graph, None),
    "person": (person_graph, None),
    "person, two rows": (lambda: person_graph(2.0), None),
    "scene": (lambda: scene_graph(None), None),
    "scene, LoRA bypassed in the scene": (lambda: scene_graph("scene"), None),
    "scene, LoRA bypassed in the person": (lambda: scene_graph("person"), None),
    "PAG": (lambda: through(person_graph(), "PerturbedAttentionGuidance", scale=3.0), None),
    "LoRA": (lambda: through(
        person_graph(), "LoraLoaderModelOnly", lora_name="style.safetensors", strength_model=0.7), None),
    "GGUF, text": (lambda: gguf_graph(False), "ComfyUI-GGUF"),
    "GGUF, person": (lambda: gguf_graph(True), "ComfyUI-GGUF"),
    "tiles": (tiled_ksampler, "ComfyUI_TiledKSampler"),
    "style aligned": (lambda: through(
        sized(person_graph(), batch=2), "StyleAlignedBatchAlign", share_norm="disabled", share_attn="q+k", scale=1.0),
        "style_aligned_comfy"),
    "NegPip, text": (lambda: negpip(False), "cd-tuner_negpip-ComfyUI"),
    "NegPip, person": (lambda: negpip(True), "cd-tuner_negpip-ComfyUI"),
    "DeepCache": (lambda: through(
        person_graph(), "DeepCache", cache_interval=2, cache_depth=3, start_step=0, end_step=1000),
        "ComfyUI-deepcache"),
    "Pre CFG": (lambda: through(
        person_graph(), "Pre CFG PAG", scale=0.5, start_at_sigma=99.0, end_at_sigma=0.0),
        "pre_cfg_comfy_nodes_for_ComfyUI"),
    "NAG": (lambda: through(
        person_graph(), "NormalizedAttentionGuidance", negative=["bad", 0], scale=2.0, tau=2.5, alpha=0.5,
        sigma_start=-1.0, sigma_end=-1.0), "sd-perturbed-attention"),
    "tiled diffusion": (lambda: through(
        sized(person_graph(), 256), "TiledDiffusion", method="MultiDiffusion", tile_width=128, tile_height=128,
        tile_overlap=0, tile_batch_size=2), "ComfyUI-TiledDiffusion"),
    "ControlNet": (advanced_controlnet, "ComfyUI-Advanced-ControlNet"),
    "AnimateDiff's windows, text": (lambda: animated(False), "ComfyUI-AnimateDiff-Evolved"),
    "AnimateDiff's windows, person": (lambda: animated(True), "ComfyUI-AnimateDiff-Evolved"),
}  # fmt: skip


def write_gguf(checkpoint: Path, target: Path) -> None:
    """The checkpoint's U-Net with its attention's matrices in 8 bits, as the files of that pack are."""
    import comfy.utils
    import gguf

    prefix, kind = "model.diffusion_model.", gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(path=None, arch="sd1")
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for name, tensor in comfy.utils.load_torch_file(str(checkpoint)).items():
        if not name.startswith(prefix):
            continue
        name, array = name.removeprefix(prefix), tensor.float().numpy()
        if tensor.dim() == 2 and "transformer_blocks" in name:
            writer.add_tensor(name, gguf.quants.quantize(array, kind.Q8_0), raw_dtype=kind.Q8_0)
        else:
            writer.add_tensor(name, array.astype(np.float16 if tensor.dim() > 1 else np.float32))
    writer.write_header_to_file(path=target)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def pictures_of(server: Server, name: str) -> list[np.ndarray]:
    outcome = server.run(copy.deepcopy(GRAPHS[name][0]()))
    assert outcome.error is None, f"{name}: {outcome.error}"
    return [np.asarray(Image.open(file)) for file in server.pictures(outcome)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="graphs_in_turn.py")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="each an order of all graphs in one server")
    parser.add_argument("--only", nargs="+", help="graphs by their names")
    arguments = parser.parse_args()
    comfy, packs = host.find_host(), os.environ.get("COMFYUI_PACKS")
    present = [name for name in PACKS if packs and (Path(packs) / name).is_dir()]
    names = [name for name, (_, pack) in GRAPHS.items() if pack is None or pack in present]
    names = [name for name in names if arguments.only is None or name in arguments.only]
    host.import_host(comfy)
    host.import_by_path("cfld_pack", host.PACK / "__init__.py")
    from server_folder import write_folder

    with tempfile.TemporaryDirectory(prefix="turns-") as temporary:
        folder = Path(temporary)
        write_folder(folder)
        for name in present:
            (folder / "custom_nodes" / name).symlink_to((Path(packs) / name).resolve())
        if "ComfyUI-GGUF" in present:
            (folder / "models" / "unet").mkdir(exist_ok=True)
            (checkpoint,) = (folder / "models" / "checkpoints").glob("v1-5*")
            write_gguf(checkpoint, folder / "models" / "unet" / GGUF_FILE)
        alone, begun = {}, time.monotonic()
        for name in names:
            with running_server(comfy, folder, *present) as server:
                alone[name] = pictures_of(server, name)
            sys.stdout.write(f"alone after {time.monotonic() - begun:.0f} s: {name}\n")
            sys.stdout.flush()
        wrong = []
        for seed in arguments.seeds:
            chosen = random.Random(seed)
            with running_server(comfy, folder, *present) as server:
                for name in chosen.sample(names, len(names)):
                    freed = chosen.random() < 0.3
                    if freed:
                        server.post("/free", {"unload_models": True, "free_memory": True})
                    same = all(map(np.array_equal, pictures_of(server, name), alone[name]))
                    told = f"{'/free, ' if freed else ''}{name}: {'equal' if same else 'WRONG'}"
                    sys.stdout.write(f"order {seed}: {told}\n")
                    sys.stdout.flush()
                    wrong += [] if same else [f"{name} in order {seed}"]
    sys.stdout.write(f"{len(names)} graphs with {len(present)} packs; wrong: {', '.join(wrong) or 'none'}\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

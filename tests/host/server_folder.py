"""A base directory with what the shipped workflows name and some wrong files, and the workflows as prompts."""

import importlib.util
import json
import warnings
from pathlib import Path

import host
import numpy as np
import random_models
import soak
import torch
from comfy_server import TRIM, TRIM_CODE
from PIL import Image

WORKFLOWS = host.PACK / "workflows"
PHOTO = host.PACK / "tests" / "data" / "astronaut.jpg"
PERSON_IN_A_PHOTO = "person_in_a_photo"
SCENE = (768, 720)
# Inputs in pixels of the latents, besides those of a square.
SIDE_INPUTS = ("width", "height")
PIXELS = {"EmptyLatentImage": SIDE_INPUTS, "ConditioningSetArea": SIDE_INPUTS, "PrimitiveInt": ("value",)}
SAVED_PERSON = "person_00001_.safetensors"
HAS_DETECTOR = importlib.util.find_spec("controlnet_aux") is not None
# A pack that puts a text on wires of every kind that may lead into a combo.
WIRES = "wires.py"
WIRES_CODE = '''
class Wire:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {})}})
    RETURN_TYPES = ("COMBO", "STRING", "*")
    FUNCTION = "give"
    CATEGORY = "test"

    def give(self, text):
        return (text,) * 3


NODE_CLASS_MAPPINGS = {"Wire": Wire}
'''


class RunsWhenRead:
    """A pickle that makes a file when it is read without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def write_folder(folder):
    """A base directory with every file the workflows name, and some wrong ones."""
    models, inputs = folder / "models", folder / "input"
    for name in ("checkpoints", "cfld/half", "cfld/code", "controlnet", "loras", "upscale_models", "annotators",
                 "vae_approx"):
        (models / name).mkdir(parents=True)
    random_models.write_base_model(models / "checkpoints" / "v1-5-pruned-emaonly-fp16.safetensors")
    random_models.write_sdxl_model(models / "checkpoints" / "sdxl.safetensors")
    random_models.write_control_net(models / "controlnet" / "control_v11p_sd15_openpose_fp16.safetensors")
    random_models.write_lora(models / "loras" / "style.safetensors")
    random_models.write_upscaler(models / "upscale_models" / "RealESRGAN_x4plus.safetensors")
    random_models.write_taesd(models / "vae_approx")
    cfld = random_models.random_cfld()
    random_models.write_cfld(models / "cfld" / "cfld.safetensors", cfld)
    random_models.write_authors_pair(models / "cfld" / "authors", cfld)
    (models / "cfld" / "half" / "pytorch_model.bin").symlink_to(models / "cfld" / "authors" / "pytorch_model.bin")
    (models / "cfld" / "lora.safetensors").symlink_to(models / "loras" / "style.safetensors")
    torch.save({"weight": RunsWhenRead(folder / "code_ran")}, models / "cfld" / "code" / "pytorch_model.bin")
    inputs.mkdir()
    photo = Image.open(PHOTO)
    scene = photo.resize(SCENE)
    scene.putalpha(Image.fromarray(np.where(painted(), 0, 255).astype(np.uint8)))
    scene.save(inputs / "scene.png")
    photo.save(inputs / "example.png")  # as ComfyUI brings it along
    (folder / "custom_nodes").mkdir()
    (folder / "custom_nodes" / WIRES).write_text(WIRES_CODE)
    (folder / "custom_nodes" / soak.RUNS_OUT).write_text(soak.RUNS_OUT_CODE)
    (folder / "custom_nodes" / TRIM).write_text(TRIM_CODE)
    (models / "cfld" / "dangling.safetensors").symlink_to("gone.safetensors")
    (models / "cfld" / "CAPITALS.SAFETENSORS").symlink_to(models / "cfld" / "cfld.safetensors")
    (models / "cfld" / "folder.safetensors").mkdir()
    (inputs / "folder.json").mkdir()
    (inputs / "dangling.json").symlink_to("gone.json")
    (folder / "secret.json").write_text("[]")
    (inputs / "outside.json").symlink_to(folder / "secret.json")
    (inputs / "bad_pose.json").write_text('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}')
    (folder / "output" / "cfld_appearances").mkdir(parents=True)
    random_models.write_demo_appearance(folder / "output" / "cfld_appearances" / SAVED_PERSON)
    (folder / "output" / "cfld_appearances" / "damaged.safetensors").write_bytes(b"\0" * 99)
    if HAS_DETECTOR:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a dozen of its own, about what is not used here
            import dot_network
        dot_network.save(models / "annotators", dot_network.dot_state())
        people = [dot_network.STANDING + (20, 120), dot_network.STANDING * 0.8 + (450, 220)]
        dots = dot_network.picture(people, 900, 800)[0]
        Image.fromarray((dots.numpy() * 255).astype(np.uint8)).save(inputs / "target_pose.png")
    else:
        photo.save(inputs / "target_pose.png")


def painted():
    """Where the scene's mask is painted: (height, width) of bool."""
    rows, columns = np.mgrid[: SCENE[1], : SCENE[0]]
    return (rows > 260) & (rows < 640) & (columns > 280) & (columns < 480)


def workflow(name, side=128):
    """A shipped workflow with two steps, and latents of `side` pixels instead of 512; else as it is."""
    prompt = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text())
    for node in prompt.values():
        inputs = node["inputs"]
        if "steps" in inputs:
            inputs["steps"] = 2
        is_square = "width" in inputs and inputs["width"] == inputs["height"]
        for size in PIXELS.get(node["class_type"], SIDE_INPUTS if is_square else ()):
            inputs[size] = inputs[size] * side // 512
    return prompt


def nodes_of(prompt, *classes):
    return [node for node in prompt if prompt[node]["class_type"] in classes]


def the_node(prompt, class_type):
    (node,) = nodes_of(prompt, class_type)
    return node


def set_input(prompt, class_type, **inputs):
    prompt[the_node(prompt, class_type)]["inputs"].update(inputs)
    return prompt

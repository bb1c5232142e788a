"""The figures and the picture of docs/training.md on CFLD Scene Guider, made by the demo model inside ComfyUI.

    PATH_TO_COMFYUI_PYTHON benchmarks/scene.py

The demo model reads no text, so its scene is one of other people: how well saliency finds the person among them. Prints
the figures as JSON and writes the picture to web/docs/images/.
"""

import json
import sys

import editing  # brings the host into this process
import numpy as np
import tiny_host
import torch
from comfy.samplers import CFGGuider, sampler_object
from PIL import Image
from tiny_host import nodes

from cfld_modules.demo_people import demo_photo
from cfld_modules.evaluation.clothes import intersection_over_union

PEOPLE, STEPS = 8, 4
SCENE_CFG, PERSON_CFG = 2.0, 2.0
OTHER_PERSON, OTHER_POSE = 6, 4  # beyond a person's own number and pose


def silhouette(person: int, pose: int) -> np.ndarray:
    """The true figure on the latents' grid: places of which it has half or more."""
    drawn = demo_photo(person, pose, editing.SHOWN_WIDTH, editing.SHOWN_HEIGHT).silhouette
    grid = editing.LATENT_SIDE, editing.LATENT_SIDE
    return np.array(Image.fromarray(drawn.astype(np.uint8) * 255).resize(grid, Image.Resampling.BOX)) >= 128


def sample(guider: CFGGuider, seed: int, masks: list[np.ndarray] | None = None) -> torch.Tensor:
    """The latents; `masks` gets what was the person's in each step."""
    sigmas = tiny_host.sigmas_of(guider.model_patcher, STEPS)

    def note(*_: object) -> None:
        if masks is not None:
            masks.append(guider.fusion.is_person[0, 0].numpy())

    noise = editing.noise(seed)
    return guider.sample(
        noise, torch.zeros_like(noise), sampler_object("ddim"), sigmas, callback=note, seed=seed
    )


class Graphs:
    """Scene Guider with a person of the demo's, and the three scenes."""

    def __init__(self, demo: editing.Demo, number: int) -> None:
        self.demo, self.number, self.pose = demo, number, 1 + number
        self.prompt, self.learnt, appearance = demo.encode(number)
        self.model = demo.patched(appearance)
        self.positive, self.negative = demo.posed(self.prompt, self.learnt, self.pose)

    def scenes(self) -> dict[str, tuple]:
        """(positive, negative, model)."""
        prompt, learnt, appearance = self.demo.encode(OTHER_PERSON + self.number)
        other = self.demo.patched(appearance)
        bare = nodes.CFLDApplyHGA.execute(self.demo.model, self.demo.cfld, appearance, 1e-12, 2.0, 0.0, 1.0).result[0]
        elsewhere = self.demo.posed(prompt, learnt, OTHER_POSE + self.pose)
        return {
            "another person in another pose": (*elsewhere, other),
            "another pose, nobody's appearance": (*self.demo.posed(learnt, learnt, OTHER_POSE + self.pose), bare),
            "nothing at all": (self.learnt, self.learnt, bare),
        }

    def guider(self, scene: tuple, start: float, end: float) -> CFGGuider:
        positive, negative, model = scene
        return nodes.CFLDSceneGuiderNode.execute(
            self.model, self.positive, self.negative, positive, negative, SCENE_CFG, PERSON_CFG, start, end, model
        ).result[0]


def overlaps(demo: editing.Demo) -> dict[str, list[float]]:
    """Of the places that were the person's, step by step, and their true silhouette."""
    found: dict[str, list[list[float]]] = {}
    for number in range(PEOPLE):
        graphs = Graphs(demo, number)
        truth = silhouette(number, graphs.pose)
        for name, scene in graphs.scenes().items():
            masks: list[np.ndarray] = []
            sample(graphs.guider(scene, 0.0, 1.0), number, masks)
            found.setdefault(name, []).append([intersection_over_union(mask, truth) for mask in masks])
        found.setdefault("for comparison: the silhouette of another pose", []).append(
            [intersection_over_union(silhouette(number, OTHER_POSE + graphs.pose), truth)]
        )
    return {name: np.mean(values, axis=0).round(3).tolist() for name, values in found.items()}


def picture(demo: editing.Demo, number: int = 3) -> None:
    graphs = Graphs(demo, number)
    scene = graphs.scenes()["another person in another pose"]
    shown = [demo.pictures(sample(graphs.guider(scene, end, end), number))[0] for end in (1.0, 0.0)]
    guider = graphs.guider(scene, 0.0, 1.0)
    latents = sample(guider, number)
    mask, saliency = nodes.CFLDSceneSaliency.execute(guider, {"samples": latents}).result
    for image in (saliency, mask[..., None].expand(-1, -1, -1, 3)):
        pixels = Image.fromarray((image[0].numpy() * 255).astype(np.uint8))
        size = (editing.SHOWN_WIDTH, editing.SHOWN_HEIGHT)
        shown.append(np.asarray(pixels.resize(size, Image.Resampling.NEAREST)))
    titles = ["the scene alone", "the person alone", "saliency", "mask", "fused"]
    editing.sheet("scene_guider.jpg", titles, [*shown, *demo.pictures(latents)])


def main() -> None:
    with torch.no_grad():
        demo = editing.Demo()
        picture(demo)
        figures = overlaps(demo)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

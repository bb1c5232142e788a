"""The figures and pictures of docs/training.md, made by the demo model inside ComfyUI.

    PATH_TO_COMFYUI_PYTHON benchmarks/editing.py

Prints the figures as JSON and writes the pictures to web/docs/images/, where the nodes' help pages find them, too.
"""

import json
import sys
import tempfile
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PACK), str(PACK / "tests" / "host")]
import host  # noqa: E402

host.import_host(host.need_host())

import comfy.samplers  # noqa: E402
import folder_paths  # noqa: E402
import numpy as np  # noqa: E402
import tiny_host  # noqa: E402
import torch  # noqa: E402
from comfy_extras import nodes_custom_sampler as custom  # noqa: E402
from PIL import Image  # noqa: E402
from tiny_host import nodes  # noqa: E402

import nodes as core  # noqa: E402
from cfld_modules.demo_model import HEIGHT, WIDTH  # noqa: E402
from cfld_modules.demo_people import PEOPLE, POSES, DemoPhoto, demo_photo  # noqa: E402
from cfld_modules.evaluation.clothes import clothes_features, intersection_over_union  # noqa: E402
from cfld_modules.evaluation.metrics import psnr, ssim  # noqa: E402
from cfld_modules.evaluation.sheet import PAPER, contact_sheet  # noqa: E402
from cfld_modules.poses.keypoints import write_pose_keypoints  # noqa: E402

PICTURES = PACK / "web" / "docs" / "images"
SHOWN_WIDTH, SHOWN_HEIGHT = 3 * WIDTH // 2, 3 * HEIGHT // 2
COLUMNS, FONT_SIZE = 3, 22  # of the pictures
FIRST, SECOND, POSE = 0, 9, 1
STEPS, SEED, LATENT_SIDE = 20, 3407, HEIGHT // 8
FRONT_POSES = (1, 2, 3, 4)  # of the poses that clothes are exchanged in
VIEWS = {5: "side", 6: "back"}  # of the poses; the others show the front
INVERTED = 3  # people
UPPER_STRIPS, LOWER_STRIPS = slice(0, 5), slice(5, 9)  # of `clothes.STRIPS`


def noise(seed: int) -> torch.Tensor:
    return torch.randn(1, 4, LATENT_SIDE, LATENT_SIDE, generator=torch.Generator().manual_seed(seed))


class Demo:
    """The demo model's nodes, wired as in the workflows."""

    def __init__(self) -> None:
        self.model, self.vae, self.cfld = nodes.CFLDDemoModels.execute().result

    def encode(self, person: int, pose: int = 0) -> tuple[list, list, object]:
        image, *_ = nodes.CFLDDemoPerson.execute(person, pose, 352, 512).result
        return nodes.CFLDPromptEncoder.execute(self.cfld, image, "pad").result

    def posed(self, positive: list, negative: list, pose: int) -> tuple[list, list]:
        _, points, _ = nodes.CFLDDemoPerson.execute(0, pose, 352, 512).result
        conditioned = nodes.CFLDPoseConditioning.execute(self.cfld, positive, negative, points, 1.0, 0.0, 1.0, "pad")
        return conditioned.result[:2]

    def patched(self, appearance: object, model: object = None, mask: torch.Tensor | None = None) -> object:
        model = self.model if model is None else model
        return nodes.CFLDApplyHGA.execute(model, self.cfld, appearance, 1.0, 2.0, 0.0, 1.0, mask).result[0]

    def latents(self, model: object, positive: list, negative: list, batch: int = 1) -> torch.Tensor:
        start = noise(SEED).expand(batch, -1, -1, -1)
        return tiny_host.ksample(model, positive, negative, steps=STEPS, sampler="ddim", start=start)

    def pictures(self, latents: torch.Tensor) -> list[np.ndarray]:
        """RGB uint8 (SHOWN_HEIGHT, SHOWN_WIDTH, 3) each."""
        shown = core.ImageScale().upscale(self.vae.decode(latents), "lanczos", SHOWN_WIDTH, SHOWN_HEIGHT, "disabled")[0]
        return [nodes.pictures.picture_array(picture) for picture in shown]


def truth(person: int, pose: int) -> np.ndarray:
    return shown_photo(person, pose).image


def shown_photo(person: int, pose: int) -> DemoPhoto:
    return demo_photo(person, pose, SHOWN_WIDTH, SHOWN_HEIGHT)


def sheet(name: str, titles: list[str], pictures: list[np.ndarray]) -> None:
    """Three in a row, or two by two: the page shows its help 245 pixels wide."""
    columns = 2 if len(pictures) == 4 else COLUMNS
    rows = [
        contact_sheet([pictures[first : first + columns]], titles[first : first + columns], FONT_SIZE)
        for first in range(0, len(pictures), columns)
    ]
    whole = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), PAPER)
    for number, row in enumerate(rows):
        whole.paste(row, (0, number * rows[0].height))
    whole.save(PICTURES / name, quality=88)


def tensors(appearance: object) -> list[torch.Tensor]:
    return [appearance.prompt, *appearance.residuals.values()]


def blends(demo: Demo) -> dict:
    """A strip, and how exact its ends are."""
    (first, learnt, first_appearance), (second, _, second_appearance) = demo.encode(FIRST), demo.encode(SECOND)

    def blend(amount: float, frames: int = 1) -> tuple[list, object]:
        return nodes.CFLDBlendAppearance.execute(
            first, first_appearance, second, second_appearance, amount, frames
        ).result

    def latents(positive: list, appearance: object, batch: int = 1) -> torch.Tensor:
        return demo.latents(demo.patched(appearance), *demo.posed(positive, learnt, POSE), batch)

    figures = {}
    for amount, person in ((0.0, (first, first_appearance)), (1.0, (second, second_appearance))):
        exact = torch.equal(latents(*blend(amount)), latents(*person))
        figures[f"amount {amount:.0f}: latents equal the person's bit for bit"] = exact
    halfway = [
        float((mixed - (a + b) / 2).abs().max()) for mixed, a, b in
        zip(*map(tensors, (blend(0.5)[1], first_appearance, second_appearance)), strict=True)
    ]  # fmt: skip
    figures["amount 0.5: largest difference from the mean of the two"] = max(halfway)
    strip = demo.pictures(latents(*blend(0.5, 7), 7))
    amounts = [f"{number / 6:.2f}" for number in range(7)]
    pictures = [truth(FIRST, 0), *strip, truth(SECOND, 0)]
    sheet("blend_appearance.jpg", ["first", *amounts, "second"], pictures)
    return figures


def clothes(demo: Demo) -> dict:
    """Upper body from one person, lower body from another; whose clothes the regions show, over several pairs."""

    def exchanged(upper: int, lower: int, pose: int) -> tuple[np.ndarray, torch.Tensor]:
        (above, learnt, above_appearance), (below, _, below_appearance) = demo.encode(upper), demo.encode(lower)
        _, points, _ = nodes.CFLDDemoPerson.execute(0, pose, 352, 512).result
        mask = nodes.CFLDPoseMask.execute(points, "lower body", HEIGHT, HEIGHT, 0, 2, "pad").result[0]
        regions = [
            core.ConditioningSetMask().append(prompt, where, "default", 1.0)[0]
            for prompt, where in ((above, 1 - mask), (below, mask))
        ]
        model = demo.patched(below_appearance, demo.patched(above_appearance, mask=1 - mask), mask)
        return demo.pictures(demo.latents(model, *demo.posed(regions[0] + regions[1], learnt, pose)))[0], mask

    def features(picture: np.ndarray, pose: int) -> np.ndarray:
        return clothes_features(picture, shown_photo(0, pose).pose)

    right = {"upper body": [], "lower body": []}
    for upper in range(PEOPLE):
        lower, pose = (upper + 1) % PEOPLE, FRONT_POSES[upper % len(FRONT_POSES)]
        result, people = features(exchanged(upper, lower, pose)[0], pose), []
        for person in (upper, lower):
            people.append(features(truth(person, pose), pose))
        for region, strips, wanted in (("upper body", UPPER_STRIPS, 0), ("lower body", LOWER_STRIPS, 1)):
            distances = [float(np.nanmean(np.abs(result[strips] - one[strips]))) for one in people]
            if not np.isnan(distances).any():  # as where the pose hides that region's joints
                right[region].append(int(np.argmin(distances)) == wanted)
    result, mask = exchanged(FIRST, SECOND, POSE)
    shown = np.array(Image.fromarray((mask[0].numpy() * 255).astype(np.uint8)).resize((SHOWN_WIDTH, SHOWN_HEIGHT)))
    sheet(
        "clothes_of_two_people.jpg", ["upper body", "lower body", "mask", "result"],
        [truth(FIRST, 0), truth(SECOND, 0), np.stack([shown] * 3, axis=2), result],
    )
    return {
        f"{region} is the right person's, of {len(hits)} pairs": float(np.mean(hits)) for region, hits in right.items()
    }


def masks() -> dict:
    """How well a figure's mask, from key points alone, is its outline."""
    overlaps = {"front": [], "side": [], "back": []}
    for number in range(PEOPLE * POSES):
        person, pose = divmod(number, POSES)
        photo = shown_photo(person, pose)
        points = write_pose_keypoints([photo.pose])
        mask = nodes.CFLDPoseMask.execute(points, "whole figure", SHOWN_WIDTH, SHOWN_HEIGHT, 0, 0, "pad").result[0]
        overlaps[VIEWS.get(pose, "front")].append(intersection_over_union(mask[0].numpy() > 0.5, photo.silhouette))
    _, points, _ = nodes.CFLDDemoPerson.execute(0, POSE, 352, 512).result
    shown = [truth(FIRST, POSE)]
    for region in ("head", "upper body", "lower body", "whole figure"):
        mask = nodes.CFLDPoseMask.execute(points, region, SHOWN_WIDTH, SHOWN_HEIGHT, 0, 0, "pad").result[0][0].numpy()
        shown.append((shown[0] * (0.25 + 0.75 * mask[..., None])).astype(np.uint8))
    sheet("pose_mask.jpg", ["the pose, worn", "head", "upper body", "lower body", "whole figure"], shown)
    everything = [overlap for values in overlaps.values() for overlap in values]
    return {"whole figure against the silhouette, IoU": float(np.mean(everything))} | {
        f"of these {view}": float(np.mean(values)) for view, values in overlaps.items() if values
    }


def saved(demo: Demo) -> dict:
    """A person from a file beside the same person from the photo."""
    positive, negative, appearance = demo.encode(SECOND)
    image, *_ = nodes.CFLDDemoPerson.execute(SECOND, 0, 352, 512).result
    with tempfile.TemporaryDirectory() as folder:
        folder_paths.set_output_directory(folder)
        folder_paths.add_model_folder_path("cfld_appearances", str(Path(folder, "cfld_appearances")), is_default=True)
        nodes.CFLDSaveAppearance.execute(demo.cfld, appearance, "person", image)
        size = Path(folder, "cfld_appearances", "person_00001_.safetensors").stat().st_size
        loaded = nodes.CFLDLoadAppearance.execute(demo.cfld, "person_00001_.safetensors").result
    pictures = [
        demo.pictures(demo.latents(demo.patched(one[2]), *demo.posed(one[0], one[1], POSE)))[0]
        for one in ((positive, negative, appearance), loaded)
    ]
    sheet("saved_appearance.jpg", ["photo", "from the photo", "from the file"], [truth(SECOND, 0), *pictures])
    return {
        "largest difference of the pictures, of 255": int(np.abs(np.subtract(*pictures, dtype=int)).max()),
        "file of the demo model, KB": round(size / 1000),
    }


def inversion(demo: Demo) -> dict:
    """DDIM inversion by core's nodes against the pipeline's, and what it is good for."""
    figures: dict = {"from noise at random": [], "from the photo's own": []}
    rebuilt, same_steps, authors = [], [], []
    for person in range(INVERTED):
        image, points, _ = nodes.CFLDDemoPerson.execute(person, 0, 352, 512).result
        positive, negative, appearance = demo.encode(person)
        model = demo.patched(appearance)
        square = core.ImageScale().upscale(image, "bicubic", HEIGHT, HEIGHT, "disabled")[0]
        latent = {"samples": demo.vae.encode(square)}
        sigmas = custom.BasicScheduler.execute(model, "ddim_uniform", 50, 1.0).result[0]
        flipped = custom.FlipSigmas.execute(sigmas.clone()).result[0]

        def sample(guider: object, levels: torch.Tensor, start: dict) -> dict:
            sampler, noise = comfy.samplers.sampler_object("euler"), custom.DisableNoise.execute().result[0]
            return custom.SamplerCustomAdvanced.execute(noise, guider, sampler, levels, start).result[0]

        alone = custom.BasicGuider.execute(model, negative).result[0]
        noise = sample(alone, flipped, latent)
        # A pose that the unconditional row does not heed.
        given = {"photograph": demo_photo(person, 0).image, "pose": points}
        clean = latent["samples"] * tiny_host.LATENT_SCALE
        path = tiny_host.sampling_path(model, flipped, clean / flipped[0])
        steps = tiny_host.ask_reference("demo_euler", **given, weights={"uc": 1.0}, **path) / tiny_host.LATENT_SCALE
        same_steps.append(float((noise["samples"] - steps).norm() / steps.norm()))
        reference = tiny_host.ask_reference("demo_inverted", **given, latents=clean)
        own = noise["samples"] * tiny_host.LATENT_SCALE / torch.sqrt(1 + sigmas[0] ** 2)
        authors.append(float((own - reference).norm() / reference.norm()))
        (photo,), (again,) = demo.pictures(latent["samples"]), demo.pictures(sample(alone, sigmas, noise)["samples"])
        rebuilt.append(psnr(again, photo))
        posed = demo.posed(positive, negative, POSE + person)
        guider = custom.CFGGuider.execute(model, *posed, 2.0).result[0]
        wanted = truth(person, POSE + person)
        results = sample(guider, sigmas, noise)["samples"], demo.latents(model, *posed)
        for name, result in zip(reversed(figures), results, strict=True):
            figures[name].append(ssim(demo.pictures(result)[0], wanted))
    return {
        "noise against the same steps of the pipeline, relative difference": max(same_steps),
        "noise against the authors' inversion, relative difference": float(np.mean(authors)),
        "photo led to noise and back, PSNR in dB": float(np.mean(rebuilt)),
    } | {f"SSIM to the truth {name}": float(np.mean(values)) for name, values in figures.items()}


def main() -> None:
    with torch.no_grad():
        demo = Demo()
        figures = {
            "Blend Appearance": blends(demo), "clothes of two people": clothes(demo), "Pose Mask": masks(),
            "Save and Load Appearance": saved(demo), "DDIM inversion": inversion(demo),
        }  # fmt: skip
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

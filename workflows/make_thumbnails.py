"""Makes the pictures of the template cards: each workflow runs in ComfyUI, by the demo model where it asks for others.

    PATH_TO_COMFYUI_PYTHON workflows/make_thumbnails.py            # all of them
    PATH_TO_COMFYUI_PYTHON workflows/make_thumbnails.py blend swap # those with one of these words in their names

A card is square: who goes in, an arrow, and what comes out, with the target pose below, and a word above. The page puts
a badge over a strip at the top left, so nobody is there. With *Person into a photo*'s goes the help page's picture.
Without the published weights, a text encoder, a ControlNet and an upscaler, a workflow runs without those of its nodes,
at 256 pixels.
To be run again whenever the demo model's files change.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORKFLOWS = Path(__file__).resolve().parent
sys.path[:0] = [str(WORKFLOWS.parent), str(WORKFLOWS.parent / "tests" / "host")]
import host  # noqa: E402
from comfy_server import running_server  # noqa: E402
from PIL import Image, ImageDraw, ImageFont, ImageOps, ImageSequence  # noqa: E402

HELP_PICTURES, HELP_HEIGHT, HELP_GAP = WORKFLOWS.parent / "web" / "docs" / "images", 230, 4
SIDE, INSET, CORNER, ARROW = 360, (55, 80), (83, 120), 15
BADGE = 48  # pixels from the top that the page's badge covers at the left
HEIGHT = SIDE - BADGE
WORDS = {
    "demo_no_downloads": "start here", "basic_transfer": "your photo", "few_steps": "2 steps",
    "ddim_inversion": "inversion", "lora_and_controlnet": "ControlNet", "blend_two_people": "A to B",
    "cfld_guider": "6 types", "load_person": "load", "save_person": "save", "many_poses_contact_sheet": "6 poses",
    "clothes_of_two_people": "outfits", "pose_editor": "draw", "choose_person": "detect", "retarget_pose": "retarget",
    "turntable": "8 sides", "high_resolution_second_pass": "upscale", "described_scene": "prompt",
    "person_in_a_photo": "inpaint", "texture_from_photo": "texture", "few_steps_with_taesd": "TAESD",
    "walk": "walk", "animation_with_animatediff": "AnimateDiff", "relight_with_ic_light": "to IC-Light",
}
SHRINK = 1 / 2  # 512 pixels to the demo model's 256
WALL = (222, 223, 228)
DEMO, SOURCE, POSE = "demo", "shown source", "shown pose"
PERSON = {"class_type": "CFLDDemoPerson", "inputs": {"person": 9, "pose": 4, "width": 352, "height": 512}}
PLACE = (350, 152, 352, 512)  # in the room where somebody is painted: left, top, width, height
# By which input a node that needs other weights is passed, for each of its outputs.
PASSED = {
    "ControlNetApplyAdvanced": ("positive", "negative"), "ImageUpscaleWithModel": ("image",),
    "ConditioningCombine": ("conditioning_1",), "ADE_AnimateDiffLoaderGen1": ("model",),
}
SAMPLING = {"steps": 8, "sampler_name": "ddim", "scheduler": "ddim_uniform"}
SIZES = {
    "EmptyLatentImage": ("width", "height"), "ConditioningSetArea": ("width", "height", "x", "y"),
    "PrimitiveInt": ("value",),
}
# Columns and rows of a sheet, which of its pictures are shown, and in how many columns.
SHEETS = {"blend_two_people": (5, 1, 2, 3), "many_poses_contact_sheet": (3, 2, 1, 3), "turntable": (4, 2, 1, 4)}
CLIP = (2, 4)  # every second frame of a clip, in so many columns
Prompt = dict[str, dict[str, Any]]


def by_the_demo_model(prompt: Prompt) -> Prompt:
    """The same graph on the demo model, with its four steps; unchanged where it has the demo model anyway."""
    kinds = {number: node["class_type"] for number, node in prompt.items()}
    if "CheckpointLoaderSimple" not in kinds.values():
        return prompt
    outputs = {"CheckpointLoaderSimple": {0: 0, 2: 1}, "CFLDLoader": {0: 2}, "VAELoader": {0: 1}}
    encoder = next((number for number, kind in kinds.items() if kind == "CFLDPromptEncoder"), None)

    def reroute(link: list) -> list:
        number, output = link
        kind, inputs = kinds[number], prompt[number]["inputs"]
        if kind in outputs:
            return [DEMO, outputs[kind][output]]
        if kind == "CFLDDetectPose":
            return [f"{number} found", output + 1]  # Demo Person's pose and mask come behind its picture
        if kind == "CLIPTextEncode":
            return [encoder, 0]
        others = [kinds[value[0]] for value in inputs.values() if isinstance(value, list)]
        if kind in PASSED and (kind != "ConditioningCombine" or "CLIPTextEncode" in others):
            return reroute(inputs[PASSED[kind][output]])
        return link

    made: Prompt = {DEMO: {"class_type": "CFLDDemoModels", "inputs": {}}}
    for number, node in prompt.items():
        if node["class_type"] == "CLIPTextEncode":
            continue
        inputs = {name: reroute(value) if isinstance(value, list) else value for name, value in node["inputs"].items()}
        if node["class_type"] == "CFLDDetectPose":
            made[f"{number} found"] = PERSON
            continue
        is_square = "width" in inputs and inputs["width"] == inputs["height"]
        for name in SIZES.get(node["class_type"], ("width", "height") if is_square else ()):
            inputs[name] = inputs[name] if isinstance(inputs[name], list) else round(inputs[name] * SHRINK / 8) * 8
        inputs |= {name: value for name, value in SAMPLING.items() if name in inputs}
        made[number] = {"class_type": node["class_type"], "inputs": inputs}
    # What was passed and is asked by nobody any more may be of a pack that is not there.
    asked = {value[0] for node in made.values() for value in node["inputs"].values() if isinstance(value, list)}
    return {number: node for number, node in made.items() if number in asked or node["class_type"] not in PASSED}


def up_to_ic_light(prompt: Prompt) -> Prompt:
    """Of the graph that relights, what goes to IC-Light: the result on grey, by core's nodes."""
    kinds = {node["class_type"]: number for number, node in prompt.items()}
    foreground = prompt[kinds["BackgroundScaler"]]["inputs"]["image"]
    pose = prompt[kinds["CFLDPoseConditioning"]]["inputs"]["pose"]
    size = {name: prompt[foreground[0]]["inputs"][name] for name in ("width", "height")}
    figure = {"pose": pose, "region": "whole figure", "grow": 8, "feather": 4, "fit": "pad"} | size
    made = {
        "figure": {"class_type": "CFLDPoseMask", "inputs": figure},
        "grey": {"class_type": "EmptyImage", "inputs": {"batch_size": 1, "color": 0x7F7F7F} | size},
        "on grey": {"class_type": "ImageCompositeMasked", "inputs": {
            "destination": ["grey", 0], "source": foreground, "mask": ["figure", 0], "x": 0, "y": 0,
            "resize_source": False,
        }},
        "card": {"class_type": "SaveImage", "inputs": {"images": ["on grey", 0], "filename_prefix": "card"}},
    }  # fmt: skip
    wanted, needed = [foreground[0], pose[0]], set()
    while wanted:
        number = wanted.pop()
        if number not in needed:
            needed.add(number)
            wanted += [value[0] for value in prompt[number]["inputs"].values() if isinstance(value, list)]
    return {number: prompt[number] for number in needed} | made


def with_what_goes_in(prompt: Prompt) -> Prompt:
    """Also shows the pictures that are encoded, and the pose."""
    encoded = [node["inputs"]["image"] for node in prompt.values() if node["class_type"] == "CFLDPromptEncoder"]
    posed = [node["inputs"]["pose"] for node in prompt.values() if node["class_type"] == "CFLDPoseConditioning"]
    shown = {f"{SOURCE} {place}": preview(link) for place, link in enumerate(encoded)}
    if posed:
        drawing = {"pose": posed[0], "width": 176, "height": 256, "style": "cfld"}
        shown |= {"drawing": {"class_type": "CFLDDrawPose", "inputs": drawing}, POSE: preview(["drawing", 0])}
    return prompt | shown


def preview(link: list) -> dict[str, Any]:
    return {"class_type": "PreviewImage", "inputs": {"images": link}}


def room_with_mask() -> Image.Image:
    """A room with a window and a picture on the wall, transparent where somebody shall stand."""
    left, top, width, height = PLACE
    floor = top + height - 110
    scene = Image.new("RGBA", (2 * left + width, top + height + 40), (201, 196, 170, 255))
    drawing = ImageDraw.Draw(scene)
    drawing.rectangle([0, floor, scene.width, scene.height], fill=(139, 100, 66), outline=(238, 236, 226), width=12)
    for frame in ([60, 170, 290, 420], [scene.width - 270, 190, scene.width - 60, 350]):
        drawing.rectangle(frame, fill=(232, 238, 246), outline=(118, 86, 60), width=12)
    drawing.line([175, 170, 175, 420], fill=(118, 86, 60), width=10)
    drawing.ellipse([scene.width - 220, 225, scene.width - 110, 315], fill=(222, 170, 84))
    alpha = scene.getchannel("A")
    alpha.paste(0, (left + 60, top + 10, left + width - 60, top + height - 10))
    scene.putalpha(alpha)
    return scene


def filling(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a picture, as large as it goes."""
    return ImageOps.fit(picture.convert("RGB"), (width, height), Image.Resampling.LANCZOS)


def tiles(sheet: Image.Image, columns: int, rows: int, gap: int = 4) -> list[Image.Image]:
    width, height = (sheet.width - gap * (columns - 1)) // columns, (sheet.height - gap * (rows - 1)) // rows
    corners = [(column * (width + gap), row * (height + gap)) for row in range(rows) for column in range(columns)]
    return [sheet.crop((x, y, x + width, y + height)) for x, y in corners]


def grid(pictures: Sequence[Image.Image], columns: int) -> Image.Image:
    rows = -(-len(pictures) // columns)
    width, height = SIDE // columns, HEIGHT // rows
    card = Image.new("RGB", (SIDE, HEIGHT), WALL)
    for number, picture in enumerate(pictures):
        tile = picture.convert("RGB")
        padded = ImageOps.pad(tile, (width, height), color=tile.getpixel((0, 0)))
        whole = filling(tile, width, height) if rows == 1 else padded
        card.paste(whole, (number % columns * width, number // columns * height))
    return card


def with_file(picture: Image.Image, comes_out: bool) -> Image.Image:
    """A person who becomes a file, or comes out of one."""
    half = SIDE // 2
    card = Image.new("RGB", (SIDE, HEIGHT), WALL)
    card.paste(filling(picture, half, HEIGHT), (half if comes_out else 0, 0))
    left, top = (half // 2 if comes_out else half + half // 2) - 40, HEIGHT // 2 - 50
    drawing = ImageDraw.Draw(card)
    sheet = [(left, top), (left + 54, top), (left + 80, top + 26), (left + 80, top + 100), (left, top + 100)]
    drawing.polygon(sheet, fill="white", outline=(90, 90, 96), width=3)
    drawing.line([(left + 54, top), (left + 54, top + 26), (left + 80, top + 26)], fill=(90, 90, 96), width=3)
    draw_arrow(card, half, HEIGHT // 2)
    return card


def scene_of(source: Image.Image, result: Image.Image) -> Image.Image:
    """A scene, and in its corner who came into it."""
    card = filling(result, SIDE, HEIGHT)
    card.paste(filling(source, *CORNER), (0, HEIGHT - CORNER[1]))
    draw_arrow(card, CORNER[0], HEIGHT - CORNER[1] // 2)
    return card


def help_of_scene(source: Image.Image, pose: Image.Image, result: Image.Image) -> Image.Image:
    """For the help page: who goes in and the room with its mask in red, the pose and what comes out."""
    room = room_with_mask()
    room = Image.alpha_composite(Image.new("RGBA", room.size, (224, 90, 80, 255)), room)
    left, right = (
        [ImageOps.contain(one.convert("RGB"), (SIDE, HELP_HEIGHT)) for one in column]
        for column in ((source, pose), (room, result))
    )
    step = left[0].width + HELP_GAP, HELP_HEIGHT + HELP_GAP
    sheet = Image.new("RGB", (step[0] + right[0].width, step[1] + HELP_HEIGHT), "white")
    for x, column in ((0, left), (step[0], right)):
        for y, picture in ((0, column[0]), (step[1], column[1])):
            sheet.paste(picture, (x, y))
    return sheet


def card_of(sources: Sequence[Image.Image], pose: Image.Image | None, result: Image.Image) -> Image.Image:
    """One or two people at the left, the result at the right half."""
    half = SIDE // 2
    card = Image.new("RGB", (SIDE, HEIGHT), WALL)
    for number, source in enumerate(sources):
        height = HEIGHT // len(sources)
        picture = source.convert("RGB")
        whole = ImageOps.pad(picture, (half, height), color=picture.getpixel((0, 0)))
        card.paste(whole if len(sources) > 1 else filling(source, half, height), (0, number * height))
    card.paste(filling(result, SIDE - half, HEIGHT), (half, 0))
    if pose is not None:
        inset = pose.convert("RGB").resize(INSET, Image.Resampling.LANCZOS)
        card.paste(inset, (half - INSET[0] // 2, HEIGHT - INSET[1] - 6))
    draw_arrow(card, half, HEIGHT // 2)
    return card


def below_the_badge(picture: Image.Image, word: str) -> Image.Image:
    card = Image.new("RGB", (SIDE, SIDE), WALL)
    card.paste(picture, (0, BADGE))
    text = {"fill": (40, 40, 44), "font": ImageFont.load_default(30), "anchor": "rm"}
    ImageDraw.Draw(card).text((SIDE - 10, BADGE // 2), word, **text)
    return card


def draw_arrow(card: Image.Image, x: int, y: int) -> None:
    drawing = ImageDraw.Draw(card)
    drawing.ellipse([x - ARROW, y - ARROW, x + ARROW, y + ARROW], fill=(40, 40, 44))
    drawing.line([x - 8, y, x + 4, y], fill="white", width=3)
    drawing.polygon([(x + 9, y), (x + 1, y - 6), (x + 1, y + 6)], fill="white")


def sheet_of(result: Image.Image, name: str) -> Image.Image:
    """What of a sheet of several pictures is shown: every so manieth, in fewer columns."""
    columns, rows, step, shown = SHEETS[name]
    return grid(tiles(result, columns, rows)[::step], shown)


def main(words: Sequence[str]) -> None:
    found = host.need_host()
    titles = [path.stem for path in sorted(WORKFLOWS.glob("*.json"))]
    titles = [title for title in titles if not words or any(word in title for word in words)]
    with tempfile.TemporaryDirectory() as folder, running_server(found, Path(folder)) as server:

        def run(prompt: Prompt) -> tuple[list[Image.Image], list[Image.Image], Image.Image | None]:
            done = server.run(prompt)
            if done.error is not None:
                sys.exit(done.error["exception_message"])
            opened = {
                number: Image.open(server.folder / file["type"] / file["subfolder"] / file["filename"])
                for number, output in done.outputs.items() for file in output.get("images", [])
            }
            kinds = "SaveImage", "SaveAnimatedWEBP"
            results = [opened[number] for number in done.outputs if prompt[number]["class_type"] in kinds]
            return results, [opened[key] for key in sorted(opened) if key.startswith(SOURCE)], opened.get(POSE)

        inputs = server.folder / "input"
        inputs.mkdir(exist_ok=True)
        _, (photo,), _ = run({"1": PERSON, f"{SOURCE} 0": preview(["1", 0])})
        room_with_mask().save(inputs / "scene.png")
        photo.convert("RGB").save(inputs / "example.png")
        for title in titles:
            workflow = json.loads((WORKFLOWS / f"{title}.json").read_text(encoding="utf-8"))
            name = workflow["extra"].get("api", title)
            if name == "load_person":
                run(json.loads((WORKFLOWS / "api" / "save_person.json").read_text(encoding="utf-8")))
            prompt = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
            if name == "relight_with_ic_light":
                prompt = up_to_ic_light(prompt)
            results, sources, pose = run(with_what_goes_in(by_the_demo_model(prompt)))
            if getattr(results[0] if results else None, "is_animated", False):
                card = grid(list(ImageSequence.all_frames(results[0]))[:: CLIP[0]], CLIP[1])
            elif name in SHEETS:
                card = sheet_of(results[0], name)
            elif not results:  # a person who is saved
                card = with_file(sources[0], comes_out=False)
            elif not sources:  # and taken from the file
                card = with_file(results[0], comes_out=True)
            elif results[0].width > results[0].height:
                card = scene_of(sources[0], results[0])
                help_of_scene(sources[0], pose, results[0]).save(HELP_PICTURES / f"{name}.jpg", quality=85)
            else:
                card = card_of(sources, pose, results[0])
            below_the_badge(card, WORDS[name]).save(WORKFLOWS / f"{title}.jpg", quality=88)
            sys.stdout.write(f"{title}.jpg\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Makes pictures of the README, the help pages and the registry's page anew:
`python benchmarks/make_pictures.py demo|editor|editor_help|graphs|icon`.

demo.webp is what the template "Walk" makes, in ComfyUI with its Python. pose_editor.webp is filmed in
the real page by tests/browser/film_editor.mjs, and the help pages' pose_editor.jpg, demo_no_downloads.jpg and
smallest_graph.jpg are shot by shoot_editor.mjs and shoot_graphs.mjs beside it; all need what `make browser` needs.
icon.png and banner.png are drawn; the banner's result is demo.webp's.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageSequence

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "host")]
from comfy_server import running_server  # noqa: E402
from host import need_host  # noqa: E402

from cfld_modules.demo_people import demo_photo  # noqa: E402
from cfld_modules.evaluation.sheet import contact_sheet  # noqa: E402
from cfld_modules.poses.keypoints import Pose  # noqa: E402
from cfld_modules.poses.pose_maps import JOINT_COLOURS, LIMB_COLOURS, LIMB_ENDS  # noqa: E402
from cfld_modules.poses.reading import parse_pose_json  # noqa: E402

DOCS, BROWSER = ROOT / "docs", ROOT / "tests" / "browser"
FRAME_MILLISECONDS, LAST_FRAME_MILLISECONDS, CLIP_MILLISECONDS = 150, 1500, 150
HELP_PICTURES = ROOT / "web" / "docs" / "images"
GAP, HELP = 12, 600
DEMO_ROW = ("photo", "result", "truth")
SHOWN = (176, 256)
NIGHT = (22, 24, 32)
ICON, ICON_POSE, CORNER = 400, "jumping", 80
BANNER, BANNER_FRAME, PANEL = (1260, 540), 2, (371, 540)
SMOOTH = 4  # by which it is drawn larger


def make_demo(folder: Path) -> None:
    """Runs the template in ComfyUI, and shows what it made, with and without what is pasted, beside the truth."""
    walk = json.loads((ROOT / "workflows" / "api" / "walk.json").read_text(encoding="utf-8"))
    classes = {node["class_type"]: number for number, node in walk.items()}
    titles = {node["_meta"]["title"]: number for number, node in walk.items()}
    photo, poses = titles["Source person"], titles["Walk, sixteen poses"]
    walk = {number: node for number, node in walk.items() if not node["class_type"].startswith(("Save", "Preview"))}
    walk["drawing"] = {"class_type": "CFLDDrawPose", "inputs": {
        "pose": [poses, 0], "width": 352, "height": 512, "style": "cfld", "hands": False,
    }}
    with running_server(need_host(), folder) as server:

        def pictures(prompt: dict, **wires: list) -> list[list[np.ndarray]]:
            """Those of each wire."""
            shown = {name: {"class_type": "PreviewImage", "inputs": {"images": wire}} for name, wire in wires.items()}
            run = server.finish(prompt | shown)
            names = [[file["filename"] for file in run.outputs[name]["images"]] for name in wires]
            return [[pixels(folder / "temp" / name) for name in group] for group in names]

        pasted = [classes["ImageCompositeMasked"], 0]
        plain = [titles["Scale to the person's aspect"], 0]
        photos, drawings, alone, textured = pictures(
            walk, photo=[photo, 0], pose=["drawing", 0], alone=plain, textured=pasted
        )
    with Image.open(DOCS / "walk_truth.webp") as film:
        truth = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    order = ("photo", "pose", "CFLD", "with the photo's texture", "truth")
    rows = zip(photos * len(truth), drawings, alone, textured, truth, strict=True)
    first, *others = [contact_sheet([list(row)], order) for row in rows]
    first.save(DOCS / "demo.webp", save_all=True, append_images=others, duration=CLIP_MILLISECONDS, loop=0, quality=75)


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB").resize(SHOWN))


def make_editor(folder: Path) -> None:
    subprocess.run(["node", BROWSER / "film_editor.mjs", folder], check=True)
    first, *others = [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))]
    durations = [FRAME_MILLISECONDS] * len(others) + [LAST_FRAME_MILLISECONDS]
    first.save(
        DOCS / "pose_editor.webp", save_all=True, append_images=others, duration=durations, loop=0, quality=60, method=6
    )


def stacked(pictures: list[Image.Image], gap: int = GAP) -> Image.Image:
    """Below each other, as wide as the page's help is twice."""
    scaled = [one.resize((HELP, one.height * HELP // one.width), Image.Resampling.LANCZOS) for one in pictures]
    whole = Image.new("RGB", (HELP, sum(one.height + gap for one in scaled) - gap), NIGHT)
    y = 0
    for one in scaled:
        whole.paste(one, (0, y))
        y += one.height + gap
    return whole


def make_editor_help(folder: Path) -> None:
    subprocess.run(["node", BROWSER / "shoot_editor.mjs", folder], check=True)
    shots = [Image.open(file).convert("RGB") for file in sorted(folder.glob("*.png"))]
    stacked(shots).save(HELP_PICTURES / "pose_editor.jpg", quality=85)


def make_graphs(folder: Path) -> None:
    subprocess.run(["node", BROWSER / "shoot_graphs.mjs", folder], check=True)
    shots = {file.stem: Image.open(file).convert("RGB") for file in folder.glob("*.png")}
    row = contact_sheet([[np.asarray(shots[name]) for name in DEMO_ROW]], DEMO_ROW, 32)
    stacked([row, shots["demo"]]).save(HELP_PICTURES / "demo_no_downloads.jpg", quality=85)
    shots["smallest"].save(HELP_PICTURES / "smallest_graph.jpg", quality=85)


def figure(pose: Pose, width: int, height: int, share: float = 0.8) -> Image.Image:
    """The pose as thick bones with a head, in the middle of a dark picture, of which it takes that share."""
    points = pose.points[:14] - np.nanmin(pose.points[:14], axis=0)
    extent = np.nanmax(points, axis=0)
    scale = share * min(width / extent[0], height / extent[1]) * SMOOTH
    placed = points * scale + (np.array([width, height]) * SMOOTH - extent * scale) / 2
    bone, joint, head = (part * min(width, height) * SMOOTH / 400 for part in (21, 15, 30))
    picture = Image.new("RGB", (width * SMOOTH, height * SMOOTH), NIGHT)
    drawing = ImageDraw.Draw(picture)
    for (start, end), colour in zip(LIMB_ENDS, LIMB_COLOURS, strict=True):
        if max(start, end) < len(placed) and np.isfinite(placed[[start, end]]).all():
            line = [tuple(placed[start]), tuple(placed[end])]
            drawing.line(line, fill=tuple((colour * 1.25).astype(int).tolist()), width=round(bone))
    for number in np.flatnonzero(np.isfinite(placed).all(axis=1))[::-1].tolist():
        x, y = placed[number].tolist()
        radius = joint if number else head
        colour = tuple(JOINT_COLOURS[number or 17].tolist())  # a head as pink as an ear
        drawing.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def make_icon(_: Path) -> None:
    [pose] = parse_pose_json((ROOT / "web" / "poses" / f"{ICON_POSE}.json").read_text(encoding="utf-8"))
    icon = figure(pose, ICON, ICON)
    corners = Image.new("L", (ICON * SMOOTH, ICON * SMOOTH))
    ImageDraw.Draw(corners).rounded_rectangle([0, 0, *corners.size], CORNER * SMOOTH, fill=255)
    icon.putalpha(corners.resize(icon.size, Image.Resampling.LANCZOS))
    icon.save(DOCS / "icon.png", optimize=True)

    walk = json.loads((ROOT / "workflows" / "api" / "walk.json").read_text(encoding="utf-8"))
    inputs = {node["_meta"]["title"]: node["inputs"] for node in walk.values()}
    person = inputs["Source person"]
    photo = demo_photo(person["person"], person["pose"], *PANEL)
    target = parse_pose_json(inputs["Walk, sixteen poses"]["pose_json"])[BANNER_FRAME]
    row = ImageSequence.all_frames(Image.open(DOCS / "demo.webp"))[BANNER_FRAME].convert("RGB")
    left = 3 * (row.width + 4) // 5
    result = row.crop((left, row.height - SHOWN[1] - 4, left + SHOWN[0], row.height - 4))
    panels = [Image.fromarray(photo.image), figure(target, *PANEL), result.resize(PANEL, Image.Resampling.LANCZOS)]
    banner = Image.new("RGB", BANNER, NIGHT)
    gap = (BANNER[0] - len(panels) * PANEL[0]) // (len(panels) - 1)
    for number, panel in enumerate(panels):
        banner.paste(panel, (number * (PANEL[0] + gap), 0))
    banner.save(DOCS / "banner.png", optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        makers = {
            "demo": make_demo, "editor": make_editor, "editor_help": make_editor_help, "graphs": make_graphs,
            "icon": make_icon,
        }
        makers[sys.argv[1]](Path(temporary))
